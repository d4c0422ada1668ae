"""The files of the page, and the papers beside a bundle, without a server."""

import json
import re

import pytest

from serving.options import Options
from serving.papers import gather
from serving.site import FILES, FOLDER

WORDS = {language: json.loads((FOLDER / f"{language}.json").read_text()) for language in ("en", "zh")}
CODE = {path.name: path.read_text() for path in FOLDER.iterdir() if path.suffix in (".js", ".html", ".css")}
METRICS = {"bundle": "b1", "models": {}}


def test_both_languages_say_the_same_things():
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, words in WORDS["en"].items():
        assert words.strip()
        assert WORDS["zh"][key].strip()
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", WORDS["zh"][key])), key


def test_every_word_that_is_asked_for_is_there():
    asked = {key for text in CODE.values() for key in re.findall(r'(?:\bt|part|figure|missing)\("([\w.]+)"', text)}
    asked |= set(re.findall(r'data-t(?:-label|-hint)?="([\w.]+)"', CODE["index.html"]))
    assert len(asked) > 60
    assert asked <= WORDS["en"].keys()


def test_nothing_is_parsed_as_markup_or_code_and_nothing_comes_from_elsewhere():
    for name, text in CODE.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|DOMParser|style=|\bon\w+=\"", text), (
            name
        )
        assert not re.search(r"(?:src|href|url\(|from|fetch\()[ =\"'(]*https?:", text), name
    assert re.findall(r"<script[^>]*>[^<]", CODE["index.html"]) == []


def test_each_file_has_an_address():
    assert set(FILES) == {"/"} | {f"/web/{path.name}" for path in FOLDER.iterdir()}


@pytest.fixture
def options(tmp_path):
    return Options(feedback="", champion=tmp_path / "champions/champion.json", reports=tmp_path / "reports")


def write(path, said):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(said if isinstance(said, str) else json.dumps(said))


def test_papers_count_only_where_they_name_the_bundle(options):
    nothing = gather("b1", {}, options)
    assert (nothing.metrics, nothing.gate, nothing.validation, nothing.champions, nothing.docs) == (None, None, None, [], False)
    write(options.reports / "metrics.json", METRICS)
    write(options.reports / "gate.json", {"bundle": "b0", "passed": True})
    write(options.reports.parent / "artifacts/validate/validation.json", {"items": {"rows": 3}})
    write(options.docs / "index.html", "<h1>Data Docs</h1>")
    found = gather("b1", {"attention": [{"epoch": 0, "loss": 1.5}]}, options)
    assert (found.metrics, found.gate, found.validation) == (METRICS, None, {"items": {"rows": 3}})
    assert found.curves["attention"][0]["loss"] == 1.5
    assert found.docs


def test_a_champion_has_its_own_papers_and_the_history_is_told_latest_first(options):
    folder = options.champion.parent
    write(options.reports / "metrics.json", METRICS | {"models": {"hybrid": {}}})
    write(folder / "b1/metrics.json", METRICS)
    for number, (bundle, how) in enumerate([("b0", "promoted"), ("b1", "promoted"), ("b0", "rolled back")], 1):
        switch = {"bundle": bundle, "folder": f"{bundle}/bundle", "since": "2026-01-01T00:00:00+00:00", "previous": None, "number": number}
        write(folder / f"history/{number:06}.json", switch | {"how": how})
    write(folder / "history/000004.json", "torn")
    found = gather("b1", {}, options)
    assert found.metrics == METRICS
    assert [(switch.number, switch.bundle, switch.how) for switch in found.champions] == [
        (3, "b0", "rolled back"),
        (2, "b1", "promoted"),
        (1, "b0", "promoted"),
    ]
    assert "folder" not in found.champions[0].model_dump()


def test_data_docs_are_not_shown_where_keys_are_needed(options, tmp_path):
    write(options.docs / "index.html", "rows of the data")
    guarded = Options(feedback="", champion=options.champion, reports=options.reports, keys=tmp_path / "keys.json")
    assert not gather("b1", {}, guarded).docs
