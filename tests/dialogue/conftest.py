"""The embedded catalogue as it is spoken of, and conversations over the made-up world's bundle."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from components import nodes
from components.data.sources.movietweetings import MovieTweetings
from components.dialogue.acts import Act
from components.dialogue.conversation import Conversation
from components.dialogue.lexicon import Lexicon
from components.dialogue.linking import Linker
from components.dialogue.names import Names
from components.dialogue.state import State, Turn
from components.dialogue.understanding import Understanding
from components.recommend import Recommender
from components.recommend.catalogue import Catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    """The embedded films, each met as often as it was rated."""
    tables = MovieTweetings(root=ROOT / "data" / "movietweetings").read().tables
    items = tables["items"].sort("item_id")
    graph = nodes.build(yaml.safe_load((ROOT / "conf" / "knowledge" / "catalogue.yaml").read_text())["graph"], "graph")
    knowledge = graph.build(items, None, None)
    index = {item: place for place, item in enumerate(items["item_id"])}
    met = np.array([index[item] for item in tables["interactions"]["item_id"] if item in index])
    return Lexicon.of(Catalogue(items), knowledge, met)


@pytest.fixture(scope="session")
def understanding(lexicon: Lexicon) -> Understanding:
    return Understanding(Linker(Names(lexicon)))


@pytest.fixture(scope="session")
def conversation(bundle: Path) -> Conversation:
    recommender = Recommender.load(bundle)
    return Conversation.of(recommender, Lexicon.of(recommender.catalogue, recommender.graph, recommender.histories.items))


class Reader:
    """Reads utterances after five films were shown, and says acts in few words."""

    def __init__(self, understanding: Understanding) -> None:
        self.understanding = understanding
        self.lexicon = understanding.lexicon
        wanted = ("Inception", "Titanic", "Toy Story", "The Matrix", "Up")
        self.shown = tuple(self.item(title) for title in wanted)

    def item(self, title: str) -> str:
        return self.lexicon.catalogue.ids[self.lexicon.titles.index(title)]

    def state(self, *acts: Act) -> State:
        return State(turns=(Turn(number=1, acts=acts, shown=self.shown),))

    def __call__(self, text: str, state: State | None = None) -> list[str]:
        return [self.say(act) for act in self.understanding.read(text, state or self.state())]

    def say(self, act: Act) -> str:
        parts = [act.how or act.kind, *(self.lexicon.title(item) for item in act.items)]
        parts += [" ".join(filter(None, [entity.relation, entity.value])) for entity in act.entities]
        if act.range:
            low, high = ("" if bound is None else f"{bound:g}" for bound in (act.range.low, act.range.high))
            parts.append(f"{low}..{high}{' out' if act.range.out else ''}")
        name = f" ?{act.name}" if act.kind == "unclear" else f" {act.name}" if act.name else ""
        return f"{parts[0]} {', '.join(parts[1:])}".strip() + name + (" instead" if act.replace else "")


@pytest.fixture(scope="session")
def reads(understanding: Understanding) -> Reader:
    return Reader(understanding)
