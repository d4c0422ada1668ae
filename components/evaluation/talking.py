"""The bundle, talked to: seeded people who look for a test item in words, and others who set conditions at random."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts
from components.data.histories import spaced
from components.dialogue.acts import Act, Entity, Range
from components.dialogue.conversation import Conversation, Reply
from components.dialogue.shelf import NOW, Moment
from components.dialogue.state import State
from components.evaluation.significance import proportion
from components.evaluation.simulator import Facts, Said, Seeker, Session, Shown, Wanderer, converse, found, violations
from components.generation.writer import Writer
from components.progress import say
from components.recommend.recommender import Recommender

KINDS = ("genre", "category", "person", "decade", "year", "brand")  # what people can be expected to know of an item
TURNS = 5  # in which an item is to be found
WANDERERS, WANDER = 8, 10  # who set conditions, and their turns


@dataclass(frozen=True)
class Want:
    """A test user, the item that they came for and when, and its place in the list that they are given without a word, 0 for none."""

    user: str
    item: str
    now: Moment
    place: int


@dataclass
class Spoken:
    """One conversation, led by words."""

    conversation: Conversation
    user: str | None
    now: Moment = NOW
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self.state = self.conversation.start(self.user, "en")

    def say(self, said: Said) -> Shown:
        """Say it in English."""
        reply = self.conversation.turn(self.state, words(said), self.now)
        self.state = reply.state
        return shown(reply)


@dataclass
class Acted(Spoken):
    """One conversation, led by acts."""

    def say(self, said: Said) -> Shown:
        """Do what it means."""
        chips = self.state.question.chips if self.state.question else ()
        reply = self.conversation.act(self.state, acts(said, chips), "", self.now)
        self.state = reply.state
        return shown(reply)


def talk(recommender: Recommender, bundle: Path, tests: pl.DataFrame, given: pl.DataFrame, users: int, seed: int) -> dict[str, Any]:
    """Measure the dialogue of a bundle in the words of its templates, so that no model outside shows in it; see `measure`.

    Args:
        tests: user_id, item_id, timestamp; given: what was recommended to the test users.
    """
    facts = told(bundle)
    return measure(Conversation.over(recommender, bundle, Writer()), facts, wanting(tests, given, facts, users), seed)


def measure(conversation: Conversation, facts: dict[str, Facts], wants: Sequence[Want], seed: int) -> dict[str, Any]:
    """Let everyone talk: how many find their item within `TURNS` turns, and how often a condition was broken.

    Returns:
        users, turns, k; `success`, the share that finds it; `helped`, the same of those alone who would not see it among as many items
        without a word (both with 95 % intervals of Wilson); `shown` to those who set conditions, and `violations` among it.
    """
    say(f"talking with {len(wants)} users")
    budget = TURNS * conversation.settings.k
    seekers = [Seeker(want.item, conversation.lexicon.title(want.item), facts[want.item], (seed, n)) for n, want in enumerate(wants)]
    sessions = [converse(Spoken(conversation, want.user, want.now), seeker, TURNS) for want, seeker in zip(wants, seekers, strict=True)]
    hits = np.array([found(session, want.item)[0] <= TURNS for session, want in zip(sessions, wants, strict=True)], dtype=bool)
    missed = np.array([not 1 <= want.place <= budget for want in wants], dtype=bool)
    broken = [
        violations(_wandered(conversation, facts, want, (seed, n)), facts)
        for n, want in enumerate(wants[:: max(len(wants) // WANDERERS, 1)])
    ]
    return {
        "users": len(wants),
        "turns": TURNS,
        "k": conversation.settings.k,
        "mean_turns": float(np.mean([len(session.said) for session in sessions])) if wants else None,
        "success": _share(hits),
        "helped": _share(hits[missed]) | {"users": int(missed.sum())},
        "violations": sum(wrong for wrong, _ in broken),
        "shown": sum(items for _, items in broken),
    }


def wanting(tests: pl.DataFrame, given: pl.DataFrame, facts: dict[str, Facts], most: int) -> list[Want]:
    """Evenly spaced test users with the first of their test items, of those of which the graph knows something.

    Args:
        tests: user_id, item_id, timestamp; given: user_id, at, item_id, rank, what each was recommended.
    """
    first = tests.sort("user_id", "timestamp", "item_id").unique("user_id", keep="first", maintain_order=True)
    moments = given.select("user_id", "at").unique("user_id", keep="first")
    rows = (
        first.filter(pl.col("item_id").is_in([item for item, known in facts.items() if known])).join(moments, on="user_id").sort("user_id")
    )
    chosen = rows[spaced(len(rows), most)].join(given.select("user_id", "item_id", "rank"), on=["user_id", "item_id"], how="left")
    columns = chosen.sort("user_id").select("user_id", "item_id", "at", pl.col("rank").fill_null(0))
    return [Want(user, item, Moment(at), rank) for user, item, at, rank in columns.iter_rows()]


def told(bundle: Path) -> dict[str, Facts]:
    """What the graph says of each item, read edge by edge: apart from what the dialogue is made of."""
    ids = artifacts.read_table(bundle / "items.parquet")["item_id"].to_list()
    nodes = dict(artifacts.read_table(bundle / "nodes.parquet").select(pl.col("node"), pl.struct("kind", "name")).iter_rows())
    facts: dict[str, set[tuple[str, str]]] = {item: set() for item in ids}
    for head, tail in artifacts.read_table(bundle / "edges.parquet").select("head", "tail").iter_rows():
        item, other = (head, tail) if head < len(ids) else (tail, head)
        about = nodes.get(other)
        if item < len(ids) <= other and about and about["kind"] in KINDS and about["name"]:
            facts[ids[item]].add((about["kind"], about["name"]))
    return {item: frozenset(own) for item, own in facts.items()}


def shown(reply: Reply) -> Shown:
    """What a user makes of a reply."""
    question = reply.state.question if reply.question else None
    facet = question and question.kind == "facet"
    options = tuple((entity.kind, entity.value) for entity in question.entities) if question and facet else ()
    return Shown(tuple(item.item_id for item in reply.items), options, stuck=question is not None and question.kind == "relax")


def words(said: Said) -> str:
    """Say something in English; whoever answers also asks for others than those shown."""
    values = [value for _, value in said.facts]
    said_as = {
        "open": "Recommend something",
        "named": f"None of these. {' and '.join(values)} please",
        "none": f"None of these. No {', no '.join(values)}",
        "refused": f"None of these. No {', no '.join(values)}",
        "unsure": "I don't know. Show me others",
        "drop": "yes",
        "lifted": f"{' and '.join(values)} is fine",
    }
    return said_as.get(said.kind, "More please")


def acts(said: Said, chips: Sequence[str] = ()) -> tuple[Act, ...]:
    """What is said, as acts; `chips` is what is given up where that was offered."""
    facts = tuple(Entity(kind=kind, value=value) for kind, value in said.facts)
    lift, more = tuple(Act(kind="lift", entities=(fact,)) for fact in facts), Act(kind="more")
    if said.kind == "since":
        return (Act(kind="range", range=Range(name="year", low=float(said.facts[0][1]))),)
    meant: dict[str, tuple[Act, ...]] = {
        "open": (Act(kind="ask"),),
        "named": (*(Act(kind="must", entities=(fact,)) for fact in facts), more),
        "none": (Act(kind="never", entities=facts), more),
        "refused": (Act(kind="never", entities=facts), more),
        "unsure": (Act(kind="skip"), more),
        "drop": tuple(Act(kind="remove", name=chip) for chip in chips),
        "lifted": lift,
        "liked": (*(Act(kind="judge", items=(item,), how="liked") for item in said.items), *lift, more),
    }
    return meant.get(said.kind, (more,))


def _wandered(conversation: Conversation, facts: dict[str, Facts], want: Want, seed: tuple[int, ...]) -> Session:
    return converse(Acted(conversation, want.user, want.now), Wanderer(facts, seed), WANDER)


def _share(hits: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, float | None]:
    nothing: dict[str, float | None] = dict.fromkeys(("mean", "low", "high"))
    return proportion(int(hits.sum()), len(hits)).named("mean") if len(hits) else nothing  # pyright: ignore[reportReturnType]
