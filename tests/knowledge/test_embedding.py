import numpy as np
import polars as pl
import pytest
import torch

from components.knowledge.embedding import MODELS, Embedding, Translation, _triples, _withhold, rank
from components.knowledge.graph import Graph, Knowledge
from components.schema import ITEMS, table
from components.training import Plan


@pytest.fixture(scope="module")
def graph():
    """Two relations that can be learned: item i has the genre i mod 6 and the mood (i mod 6) // 2."""
    rows = {
        "item_id": [f"{i:03}" for i in range(120)],
        "categories": [[f"g{i % 6}"] for i in range(120)],
        "attributes": [[{"name": "mood", "value": f"m{i % 6 // 2}"}] for i in range(120)],
    }
    columns = [{"column": "categories", "relation": "genre", "kind": "genre"}, {"column": "mood", "relation": "mood", "kind": "mood"}]
    return Graph(columns=columns).build(table(pl.DataFrame(rows), ITEMS), None, None)


def settings(model, **changes):
    plan = {"epochs": 60, "batch": 32, "rate": 0.02} | changes
    return Embedding(model=model, width=16, negatives=64, held=0.1, plan=Plan(**plan))


@pytest.mark.parametrize("model", sorted(MODELS))
def test_predicts_withheld_edges(graph, model):
    vectors, report = settings(model).fit(graph, seed=1)
    before = settings(model, epochs=1, rate=1e-9).fit(graph, seed=1)[1]
    assert vectors.shape == (len(graph.nodes), 16)
    assert np.isfinite(vectors).all()
    assert report["held"] == 24
    assert report["mrr"] > 0.4 > 2 * before["mrr"]
    assert report["hits@1"] <= report["hits@3"] <= report["hits@10"]


def test_formulas():
    h, r, t = torch.randn(3, 5, 8, generator=torch.manual_seed(0)).unbind(0)
    complex_of = lambda x: torch.complex(x[:, :4], x[:, 4:])  # noqa: E731
    ch, cr, ct = map(complex_of, (h, r, t))
    expected = {
        "transe": -(h + r - t).norm(dim=1),
        "rotate": -(ch * cr / cr.abs() - ct).abs().sum(1) / 2,
        "complex": (ch * cr * ct.conj()).real.sum(1),
    }
    for name, (ask, compare) in MODELS.items():
        forward = compare(ask(h, r, False), t).diagonal()
        backward = compare(ask(t, r, True), h).diagonal()
        assert torch.allclose(forward, expected[name], atol=1e-4)
        assert torch.allclose(backward, expected[name], atol=1e-4)


def test_filtered_ranks_equal_brute_force(graph):
    module = Translation(settings("transe"), len(graph.nodes), 2)
    triples, _ = _triples(graph.edges)
    held = _withhold(triples, 0.1, 3)
    known, ranks = set(map(tuple, triples.tolist())), []
    for h, r, t in triples[held].tolist():
        for inverse in (False, True):
            query = module.query(torch.tensor([t if inverse else h]), torch.tensor([r]), inverse=inverse)
            scores = module.score(query)[0]
            answer = h if inverse else t
            other = [n for n in range(len(graph.nodes)) if n != answer and ((n, r, t) if inverse else (h, r, n)) not in known]
            ranks.append(1 + int((scores[other] > scores[answer]).sum()))
    report = rank(module, triples, held)
    assert report["mrr"] == pytest.approx(np.mean([1 / r for r in ranks]), rel=1e-3)
    assert report["hits@10"] == pytest.approx(np.mean([r <= 10 for r in ranks]))


def test_withheld_edges_leave_every_node_an_edge(graph):
    triples, _ = _triples(graph.edges)
    held = _withhold(triples, 0.9, 0)
    assert held.any()
    assert set(triples[~held][:, [0, 2]].ravel()) == set(triples[:, [0, 2]].ravel())
    assert set(triples[~held][:, 1]) == {0, 1}


def test_deterministic_and_resumable(graph, tmp_path, monkeypatch):
    whole, report = settings("complex", epochs=4).fit(graph, seed=2)
    real, calls = Translation.loss, []

    def dying(self, batch):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(Translation, "loss", dying)
    with pytest.raises(KeyboardInterrupt):
        settings("complex", epochs=4).fit(graph, seed=2, checkpoint=tmp_path / "c")
    resumed, again = settings("complex", epochs=4).fit(graph, seed=2, checkpoint=tmp_path / "c")
    assert np.array_equal(whole, resumed)
    assert report == again


def test_empty_graph(graph):
    vectors, report = settings("transe").fit(Knowledge(graph.nodes, graph.edges.clear(), {}), seed=1)
    assert not vectors.any()
    assert report["edges"] == 0
