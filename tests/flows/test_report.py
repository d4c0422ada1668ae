import json
from io import StringIO

import pytest
from rich.console import Console

from components.errors import DataError
from components.schema import Answer, Attention, Edge, Explanation, Recommendation
from components.schema import Path as Chain
from flows import report, tables


def text(table) -> str:
    console = Console(width=80, file=StringIO())
    console.print(table)
    return console.file.getvalue()


def recommendation() -> Recommendation:
    path = Chain(source="i1", edges=[Edge(edge_id=3, head="Alien", relation="director", tail="Ridley Scott")], weight=0.7)
    seen = [Attention(item_id="i1", title="Alien", weight=0.9)]
    values = {"parts": {"attention": 1.25}, "reason": "because of [Alien]", "attention": seen, "paths": [path]}
    return Recommendation.model_validate({"rank": 1, "item_id": "i2", "title": "Blade [1982]", "score": 0.25} | values)


def test_metrics_as_rows(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"models": {"ease": {"NDCG@10": {"mean": 0.1, "low": 0.05, "high": 0.15}, "n": 7}}}))
    assert report.metrics(tmp_path / "m.json") == [{"model": "ease", "NDCG@10": "0.1000 [0.0500, 0.1500]", "n": "7"}]
    assert report.metrics(tmp_path / "none.json") == []


@pytest.mark.parametrize("content", ["[]", '{"passed": true}', '{"passed": true, "criteria": [{}]}', "{"])
def test_a_torn_verdict_is_named(tmp_path, content):
    (tmp_path / "gate.json").write_text(content)
    with pytest.raises(DataError, match=r"gate\.json"):
        report.verdict(tmp_path / "gate.json")


def test_an_answer_shows_titles_as_they_are():
    shown = text(tables.answer(Answer(bundle="b", source="hybrid", user_id="u", unknown=[], items=[recommendation()])))
    assert "Blade [1982]" in shown
    assert "because of [Alien]" in shown
    assert "0.2500" in shown


def test_an_explanation_shows_parts_attention_and_paths():
    shown = "".join(text(table) for table in tables.evidence(Explanation(bundle="b", item=recommendation(), unknown=[])))
    for part in ("+1.250", "0.900", "Alien –director→ Ridley Scott", "0.700"):
        assert part in shown


def test_many_metrics_still_fit():
    rows = [{"model": "a long model's name"} | {f"metric{n}@10": "0.1000 [0.0500, 0.1500]" for n in range(9)}]
    assert max(map(len, text(tables.metrics(rows)).splitlines())) <= 80
