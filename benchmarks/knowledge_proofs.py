"""Whether the paths shown are true, cover what is shown, and cause the score: of a bundle, as it is served."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import ranking_ours
from ranking_split import Case, prepare

from components import artifacts, nodes
from components.data.histories import Dataset, Histories, Ints, load
from components.evaluation.significance import interval, resample
from components.knowledge.graph import Graph, Knowledge
from components.ranking.hybrid import Hybrid
from components.ranking.knowledge import KnowledgeRanker, KnowledgeScorer
from components.ranking.parts import Floats, World
from components.ranking.terms import Terms
from components.recommend import Recommender
from components.recommend.explain import SHOWN

K = 10
DELETED = 400  # users whose first item loses a path
MANY = 10_000  # paths of a pair that a random one is drawn from
RESAMPLES = 2000


@dataclass(frozen=True)
class Bundle:
    """A bundle and what it was made of."""

    recommender: Recommender
    graph: Knowledge
    part: str
    ranker: KnowledgeRanker
    dataset: Dataset

    @property
    def reasoner(self) -> KnowledgeScorer:
        """The fitted part that gives the paths."""
        found = self.recommender.scorer.parts[self.part]
        assert isinstance(found, KnowledgeScorer)
        return found

    def less(self, edges: tuple[int, ...]) -> Terms:
        """The terms over the graph without some edges: everything that was learned is kept."""
        graph = replace(self.graph, edges=self.graph.edges.filter(~pl.col("edge_id").is_in(edges)))
        nothing = np.zeros((self.graph.items, 1), dtype=np.float32)
        empty = Histories(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64))
        part = self.ranker.restore(self.reasoner.tensors(), World(empty, np.empty(0, dtype=np.int64), nothing, nothing, graph))
        terms = self.recommender.scorer.terms
        return replace(terms, parts=terms.parts | {self.part: part})

    def score(self, terms: Terms, asked: Histories, item: int) -> tuple[float, float]:
        """The hybrid's score of one item for one user, and the reasoner's."""
        scorer, one = self.recommender.scorer, np.array([[item]])
        values = terms.at(asked, one, terms.standard(asked))[:, 0, 0]
        whole = float(scorer.weights[scorer.gate.states(asked)][0] @ values)
        return whole, float(terms.parts[self.part].score(asked)[0, item])


def run(case: Case, work: Path) -> dict[str, Any]:
    """Prove the bundle of `ranking.py`'s fit on train and validation, made by the pipeline's stages where it is not there."""
    about = prepare(case, work)
    ranking_ours.before(case)
    ranking_ours.fit(case, "refit")
    bundle = _load(case)
    dataset = bundle.dataset
    users = np.flatnonzero(dataset.test.lengths)
    known = dataset.known().asked(dataset.test).pick(users)
    lists = _lists(bundle, known, users)
    shown, valid, inside, covered, lengths = _true(bundle, known, lists)
    return {
        "data": [about],
        "users": len(users),
        "shown": int((lists >= 0).sum()),
        "paths": shown,
        "validity": valid / shown,
        "no_leak": inside / shown,
        "coverage": float(covered.sum() / (len(users) * K)),
        "edges_per_path": lengths,
        "graph": _rebuilt(case, bundle),
        "deletion": _deletion(bundle, known, lists, case.seed),
    }


def _load(case: Case) -> Bundle:
    folder = case.folder / "artifacts" / "refit" / "bundle"
    recommender = Recommender.load(folder)
    ranker = nodes.build(artifacts.read_json(folder / "ranker.json"), "ranker")
    assert isinstance(ranker, Hybrid)
    part = next(name for name, value in ranker.parts.items() if isinstance(value, KnowledgeRanker))
    tables = [artifacts.read_table(folder / f"{name}.parquet") for name in ("nodes", "edges")]
    own = ranker.parts[part]
    assert isinstance(own, KnowledgeRanker)
    dataset = load(case.folder / "artifacts" / "validate", case.folder / "artifacts" / "split")
    return Bundle(recommender, Knowledge(tables[0], tables[1], {}), part, own, dataset)


def _lists(bundle: Bundle, known: Histories, users: Ints) -> Ints:
    """What is shown to each user who is tested, as served: int64 (users, K), -1 where a list has ended."""
    names = [bundle.dataset.users[user] for user in users]
    table = bundle.recommender.batch(names, K, known.at)
    found = np.full((len(users), K), -1, dtype=np.int64)
    place = {name: row for row, name in enumerate(names)}
    rows = [place[name] for name in table["user_id"]]
    found[rows, table["rank"].to_numpy() - 1] = [bundle.recommender.catalogue.index[item] for item in table["item_id"]]
    return found


def _true(bundle: Bundle, known: Histories, lists: Ints) -> tuple[int, int, int, Any, dict[str, int]]:
    """Follow every path shown, edge by edge: how many there are, are whole, and stay inside what was known; which items have one."""
    ends = {edge: {head, tail} for edge, head, tail in bundle.graph.edges.select("edge_id", "head", "tail").iter_rows()}
    items, paths, valid, inside = bundle.graph.items, 0, 0, 0
    covered = np.zeros(lists.shape, dtype=bool)
    lengths: dict[str, int] = {}
    for user in range(len(lists)):
        history = known.pick(np.array([user])).items
        past = set(history.tolist())
        for place, item in enumerate(lists[user].tolist()):
            if item < 0:
                continue
            for path in bundle.reasoner.paths(history, item, SHOWN):
                whole = _follows([ends.get(edge) for edge in path.edges], path.source, item, items)
                paths, valid, inside = paths + 1, valid + whole, inside + (path.source in past and item not in past)
                covered[user, place] |= whole
                lengths[str(len(path.edges))] = lengths.get(str(len(path.edges)), 0) + 1
    return paths, valid, inside, covered, dict(sorted(lengths.items()))


def _follows(edges: list[set[int] | None], source: int, target: int, items: int) -> bool:
    """Whether the edges are in the graph and lead from source to target, meeting no item twice."""
    at, met = source, {source}
    for edge in edges:
        if edge is None or at not in edge or len(edge) != 2:
            return False
        at = next(iter(edge - {at}))
        if at < items and at in met:
            return False
        met.add(at)
    return at == target


def _rebuilt(case: Case, bundle: Bundle) -> dict[str, Any]:
    """The graph made once more from the catalogue and the triples alone, no interaction being read: is it that of the bundle?"""
    builder = nodes.build(case.sections()["align"]["graph"], "align.graph")
    assert isinstance(builder, Graph)
    tables = {name: path for name in ("items", "triples", "links") if (path := case.folder / f"artifacts/validate/{name}.parquet").exists()}
    read = {name: artifacts.read_table(path) for name, path in tables.items()}
    again = builder.build(read["items"], read.get("triples"), read.get("links"))
    kinds = sorted(set(bundle.graph.nodes["kind"]))
    same = again.edges.equals(bundle.graph.edges) and again.nodes.equals(bundle.graph.nodes)
    return {"edges": len(again.edges), "nodes": len(again.nodes), "kinds": kinds, "equal_without_interactions": same}


def _deletion(bundle: Bundle, known: Histories, lists: Ints, seed: int) -> dict[str, Any]:
    """By how much the served score of the first item falls without the edges of its heaviest path, and of a random other path."""
    draw = np.random.default_rng(seed)
    fallen: list[list[float]] = []
    alone = 0
    for user in draw.permutation(len(lists))[:DELETED]:
        asked, item = known.pick(np.array([user])), int(lists[user, 0])
        found = bundle.reasoner.paths(asked.items, item, MANY)
        if len(found) < 2:
            alone += 1
            continue
        other = found[int(draw.integers(1, len(found)))]
        before = bundle.score(bundle.recommender.scorer.terms, asked, item)
        after = [bundle.score(bundle.less(path.edges), asked, item) for path in (found[0], other)]
        fallen.append([before[0] - top[0] for top in after] + [1 - top[1] / before[1] for top in after])
    values: Floats = np.array(fallen)
    means = resample(values, RESAMPLES, seed)
    named = {
        name: interval(values[:, i], means[:, i]).named("mean") for i, name in enumerate(("top", "random", "top_share", "random_share"))
    }
    ahead = {
        name: interval(values[:, i] - values[:, i + 1], means[:, i] - means[:, i + 1]).named("difference")
        for i, name in ((0, "score"), (2, "share"))
    }
    return {
        "users": len(values),
        "with_one_path_or_none": alone,
        "falls": named,
        "ahead": ahead,
        "falls_share": float((values[:, 0] > 0).mean()),
    }
