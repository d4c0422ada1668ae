"""Protocol D1: dialogues of two corpora replayed, the ranker and the query model together beside copying, popularity and retrieval.

    python benchmarks/dialogue.py --work FOLDER [redial opendialkg]

No dialogue of either corpus is trained on: collaborative knowledge is MovieLens' (ml-latest-small), the facts are the corpus's, and
the query model learns from conversations composed of these. Films that were spoken of are the history, and closed; what is said is
the leaning. Settings of the composer and `trust` were compared on one half of ReDial's validation dialogues (by the hash of the
dialogue's id); ReDial's figures are of the other half, whose figures stood beside them while the model was built: it is not
untouched. Nothing was chosen on OpenDialKG. Writes `benchmarks/records/dialogue-replay.json`.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from dialogue_replay import Film, Turns, described, films, half, heard, make, mentioned, popular, turns
from measure import ROOT, commit, record, uncommitted

from components.data.histories import Histories
from components.dialogue.query import Query
from components.evaluation.significance import resample
from components.ranking.parts import Floats
from components.ranking.terms import rounded
from components.recommend import Recommender
from components.recommend.retrieval import top
from components.recommend.wish import Wish
from components.semantic.text import TextEncoder

CORPORA = ("redial", "opendialkg")
CHOSEN_ON = {"redial": 0}  # the half of the dialogues that settings were chosen on
DEPTH, RESAMPLES, BLOCK, CHECKED = 50, 1000, 128, 20
OURS = "ranker and dialogue"
Lists = np.ndarray[Any, np.dtype[np.int64]]  # (turns, DEPTH), best first, -1 where there are no more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="*", metavar="CORPUS", help=", ".join(CORPORA))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chosen", action="store_true", help="show the half that settings are chosen on, and write no record")
    asked = parser.parse_args()
    if unknown := set(asked.corpora) - set(CORPORA):
        parser.error(f"no corpus {', '.join(sorted(unknown))}: {' or '.join(CORPORA)}")
    rows = {corpus: _corpus(corpus, asked) for corpus in asked.corpora or CORPORA}
    if not asked.chosen:
        about = {"protocol": "D1", "seed": asked.seed, "threads": asked.threads, "resamples": RESAMPLES, "uncommitted": uncommitted()}
        record("dialogue-replay", commit(ROOT), about | {"corpora": rows})


def _corpus(corpus: str, asked: argparse.Namespace) -> dict[str, Any]:
    catalogue = films(corpus)
    about = make(corpus, catalogue, asked.work, asked.threads, asked.seed)
    questions = turns(corpus, catalogue)
    bundle = asked.work / corpus / "artifacts" / "bundle"
    lists = _lists(bundle, catalogue, questions, asked.work / "cache") | _trained(corpus, catalogue, questions)
    kept = _reported(corpus, questions, chosen=asked.chosen)
    halves = (
        "half 1 of the dialogues; settings were compared on half 0, with the figures of half 1 in sight"
        if corpus in CHOSEN_ON
        else "all dialogues; nothing was chosen on them"
    )
    found = about | {"reported": halves, "turns": len(questions.texts), "questions": len(questions.gold)}
    for name, new in (("new items", True), ("all turns", False)):
        gold = np.array([(turn, film) for turn, film, fresh in questions.gold if kept[turn] and (fresh or not new)])
        found[name] = _measured({key: own[not new] for key, own in lists.items()}, gold, questions, asked.seed)
        _show(corpus, name, found[name])
    return found


def _reported(corpus: str, questions: Turns, *, chosen: bool) -> list[bool]:
    if corpus not in CHOSEN_ON:
        return [True] * len(questions.dialogue)
    return [(half(dialogue) == CHOSEN_ON[corpus]) == chosen for dialogue in questions.dialogue]


def _lists(bundle: Path, catalogue: Sequence[Film], questions: Turns, cache: Path) -> dict[str, tuple[Lists, Lists]]:
    """Each model's lists, among what was not yet spoken of and among all."""
    recommender = Recommender.load(bundle)
    query = Query.load(bundle, recommender.graph, recommender.texts, recommender.scorer.scales)
    memory = heard(query, questions, cache)
    leaning = np.concatenate([query.lean(memory.pick(slice(cut, cut + BLOCK))) for cut in _starts(memory.text)])
    often = popular(catalogue)
    text, late = (_retrieval(query.model.encoder, catalogue, questions, cache, last) for last in (None, 3))
    spoken = _spoken(questions, len(catalogue))
    ours = _asked(recommender, questions, leaning)
    return {
        OURS: (ours, _copied(questions, ours)),
        "ranker alone": _both(_asked(recommender, questions, np.zeros_like(leaning)), questions),
        "dialogue alone": _scored(lambda rows: leaning[rows], spoken),
        "MiniLM retrieval": _scored(lambda rows: text[rows], spoken),
        "MiniLM retrieval, last three turns": _scored(lambda rows: late[rows], spoken),
        "copy the context, then popularity": _both(_scored(lambda rows: np.repeat(often[None], len(rows), 0), spoken)[0], questions),
        "popularity": _scored(lambda rows: np.repeat(often[None], len(rows), 0), spoken),
    }


def _trained(corpus: str, catalogue: Sequence[Film], questions: Turns) -> dict[str, tuple[Lists, Lists]]:
    """A baseline that knows what we do not: what the corpus's own training turns recommend."""
    counts = mentioned(corpus, catalogue)
    if counts is None:
        return {}
    own = _scored(lambda rows: np.repeat(counts[None], len(rows), 0), _spoken(questions, len(catalogue)))
    return {"popularity in the training dialogues": own}


def _asked(recommender: Recommender, questions: Turns, leaning: Floats) -> Lists:
    """The recommender's lists, as a conversation gets them; what was spoken of is the history, and closed.

    Many turns at once, each with a leaning of its own; some are asked one by one as well, and must give the same.
    """
    found = np.concatenate([_block(recommender, questions.said[cut : cut + BLOCK], leaning[cut : cut + BLOCK]) for cut in _starts(leaning)])
    ids, everything = recommender.items, np.ones(len(recommender.items), dtype=bool)
    for turn in range(0, len(found), max(1, len(found) // CHECKED)):
        history = [ids[item] for item in questions.said[turn]]
        items, _ = recommender.shortlist(DEPTH, Wish(leaning[turn], everything), history=history)
        if items.tolist() != found[turn, : len(items)].tolist():
            raise SystemExit(f"turn {turn}: asked alone it gets other items than among many")
    return found


def _block(recommender: Recommender, said: list[list[int]], leaning: Floats) -> Lists:
    """`HybridScorer.rank` for histories that each have their own leaning."""
    scorer, lengths = recommender.scorer, [len(items) for items in said]
    items = np.array([item for own in said for item in own], dtype=np.int64)
    histories = Histories(items, np.full(len(items), scorer.gate.end), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    state, standard = scorer.gate.states(histories), scorer.terms.standard(histories)
    drawn = leaning.astype(np.float32)
    for part, values in enumerate(standard):
        drawn = drawn + scorer.retrieval[state, part, None].astype(np.float32) * values
    drawn[histories.users, items] = -np.inf
    chosen = _best(drawn, max(DEPTH, scorer.candidates))
    added = (scorer.weights[state].T[:, :, None] * scorer.terms.at(histories, chosen, standard)).sum(0)
    total = rounded(added + np.take_along_axis(leaning, chosen, 1))
    total = np.where(np.isfinite(np.take_along_axis(drawn, chosen, 1)), total, -np.inf)
    order = np.lexsort((chosen, -total), axis=1)[:, :DEPTH]
    return np.take_along_axis(chosen, order, 1)


def _starts(rows: Floats) -> range:
    return range(0, len(rows), BLOCK)


def _scored(score: Callable[[Lists], Floats], spoken: np.ndarray) -> tuple[Lists, Lists]:
    """Best of a score, float (rows, items): among what was not spoken of, and among all; equal ones by index."""
    blocks = [np.arange(start, min(start + BLOCK, len(spoken))) for start in range(0, len(spoken), BLOCK)]
    own = [_best(np.where(spoken[rows], -np.inf, score(rows))) for rows in blocks]
    return np.concatenate(own), np.concatenate([_best(score(rows)) for rows in blocks])


def _best(scores: Floats, depth: int = DEPTH) -> Lists:
    return top(scores, depth)


def _both(lists: Lists, questions: Turns) -> tuple[Lists, Lists]:
    return lists, _copied(questions, lists)


def _copied(questions: Turns, lists: Lists) -> Lists:
    """What was spoken of, last first, then the list."""
    return np.array([[*reversed(said), *own][:DEPTH] for said, own in zip(questions.said, lists.tolist(), strict=True)])


def _spoken(questions: Turns, items: int) -> np.ndarray:
    found = np.zeros((len(questions.said), items), dtype=bool)
    for turn, said in enumerate(questions.said):
        found[turn, said] = True
    return found


def _retrieval(encoder: TextEncoder, catalogue: Sequence[Film], questions: Turns, cache: Path, last: int | None) -> Floats:
    """Cosine of the dialogue's text, up to 256 tokens, with each film's."""
    long = replace(encoder, max_length=256)
    spoken = long.encode([" ".join(said[-last:] if last else said) for said in questions.texts], cache)
    return spoken @ encoder.encode(described(catalogue), cache).T


def _measured(lists: dict[str, Lists], gold: Lists, questions: Turns, seed: int) -> dict[str, Any]:
    """Metrics of every model with intervals over dialogues, and ours less each other and over it."""
    columns = {name: _columns(own, gold) for name, own in lists.items()}
    metrics = list(next(iter(columns.values())))
    dialogues = np.array([questions.dialogue[turn] for turn, _ in gold])
    _, group = np.unique(dialogues, return_inverse=True)
    values = np.stack([column for own in columns.values() for column in own.values()] + [np.ones(len(gold))], axis=1)
    sums = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(sums, group, values)
    means = resample(sums, RESAMPLES, seed)
    drawn = (means[:, :-1] / means[:, -1:]).reshape(RESAMPLES, len(columns), len(metrics))
    true = values[:, :-1].mean(0).reshape(len(columns), len(metrics))
    ten, first = metrics.index("Recall@10"), list(columns).index(OURS)
    rows = {}
    for place, name in enumerate(columns):
        rows[name] = {metric: _interval(true[place, i], drawn[:, place, i]) for i, metric in enumerate(metrics)}
        if place != first:
            rows[name]["ours less, Recall@10"] = _interval(true[first, ten] - true[place, ten], drawn[:, first, ten] - drawn[:, place, ten])
            rows[name]["ours over, Recall@10"] = float(true[first, ten] / true[place, ten]) if true[place, ten] else None
    return {"questions": len(gold), "dialogues": len(sums), "models": rows}


def _columns(lists: Lists, gold: Lists) -> dict[str, Floats]:
    there = lists[gold[:, 0]] == gold[:, 1:]
    rank = np.where(there.any(1), there.argmax(1) + 1, np.inf)
    found: dict[str, Floats] = {f"Recall@{k}": (rank <= k).astype(np.float64) for k in (1, 10, 50)}
    return found | {"MRR@10": np.where(rank <= 10, 1 / rank, 0.0)}


def _interval(mean: float, drawn: Floats) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": float(mean), "low": float(low), "high": float(high)}


def _show(corpus: str, name: str, found: dict[str, Any]) -> None:
    print(f"{corpus}, {name}: {found['questions']} questions of {found['dialogues']} dialogues")
    for model, row in found["models"].items():
        print(f"  {model:36s}", *(f"{metric} {row[metric]['mean']:.4f}" for metric in ("Recall@1", "Recall@10", "Recall@50", "MRR@10")))


if __name__ == "__main__":
    main()
