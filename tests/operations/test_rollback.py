"""Promotion and rollback of real bundles: what is answered, and how long it takes."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from components import artifacts
from components.recommend import Recommender
from flows import champions, promote, triggers

USERS = [f"u{number:03d}" for number in range(0, 90, 9)]


def answers() -> list[str]:
    """What a service gives that loads the champion by its pointer."""
    pointer = artifacts.read_json(Path("champions/champion.json"))
    recommender = Recommender.load(Path("champions") / pointer["folder"])
    assert recommender.bundle == pointer["bundle"]
    told = [recommender.recommend(user, k=10).model_dump_json() for user in USERS]
    return told + [recommender.explain("i003", user=user).model_dump_json() for user in USERS[:3]]


def passing(identity: str) -> None:
    artifacts.write_json(Path("reports/gate.json"), {"passed": True, "bundle": identity, "criteria": []})
    artifacts.write_json(Path("reports/metrics.json"), {"bundle": identity, "models": {}})


@pytest.fixture
def here(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundle, "artifacts/bundle")
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text("promotion: {}\n")
    passing(artifacts.verify(Path("artifacts/bundle"))["id"])
    return tmp_path


def other() -> None:
    """Make the last run's bundle one with other rules: a film is pinned to the first place."""
    path = Path("artifacts/bundle")
    policy = json.loads((path / "policy.json").read_text())
    rule = {"_target_": "components.recommend.rules.Pin", "name": "week", "items": ["i003", "i004", "i005"]}
    artifacts.write_json(path / "policy.json", policy | {"rules": [*policy.get("rules", []), rule]})
    passing(artifacts.seal(path, {**artifacts.read_json(path / "manifest.json")["about"], "other": True}))


def test_rollback_gives_the_previous_answers_exactly_within_five_seconds(here: Path) -> None:
    promote.promote()
    first = answers()
    other()
    promote.promote()
    assert answers() != first
    began = time.perf_counter()
    promote.rollback()
    assert time.perf_counter() - began < 5
    assert answers() == first


def test_new_events_are_counted_and_a_drift_of_them_is_seen(here: Path) -> None:
    promote.promote()
    champion = Recommender.load(Path("champions") / champions.current().folder)
    last = datetime.fromtimestamp(int(champion.histories.times.max()), UTC)

    def look(items: list[str]) -> dict[str, triggers.Trigger]:
        rows = [(user, items[n % len(items)], last + timedelta(hours=n)) for n, user in enumerate([*champion.users] * 3)]
        events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
        earlier = events.with_columns(pl.col("timestamp") - timedelta(days=9000))
        artifacts.write_table(Path("events.parquet"), pl.concat([earlier, events.filter(pl.col("timestamp") > last)]))
        watch = triggers.Watch(events=Path("events.parquet"), least=200, volume=0.2)
        return {one.name: one for one in triggers.look(watch, datetime.now(UTC))}

    found = look(champion.items)
    assert not found["age"].fired
    assert found["volume"].fired
    assert found["volume"].reason == f"269 new events, 27.2% of the champion's {len(champion.histories.items)}"
    assert not found["drift: category of the items (PSI)"].fired
    assert look(champion.items[::3])["drift: category of the items (PSI)"].fired, "all horror"
    kinds = {name.removeprefix("drift: ").split(" (")[0] for name in found if name.startswith("drift: ")}
    told = {"category of the items", "popularity of the items", "events per user", "embedding of the items", "scores"}
    assert kinds == told
