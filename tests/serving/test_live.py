"""The pointer to the champion, and what takes its place."""

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components import artifacts
from components.errors import BundleError
from serving import live
from serving.live import Watch
from serving.options import Options


@pytest.fixture
def champions(bundle, tmp_path):
    """Two champions that differ, and nobody in charge."""
    names = []
    for about in ("one", "two"):
        made = shutil.copytree(bundle, tmp_path / "made")
        names.append(artifacts.seal(made, {"made": about}))
        made.rename(tmp_path / names[-1])
        (tmp_path / "champions" / names[-1]).mkdir(parents=True)
        (tmp_path / names[-1]).rename(tmp_path / "champions" / names[-1] / "bundle")
    return tmp_path / "champions", *names


def promote(folder: Path, bundle: str, number: int, previous: str | None = None) -> None:
    said = {"bundle": bundle, "folder": f"{bundle}/bundle", "since": datetime(2026, 1, number, tzinfo=UTC).isoformat()}
    artifacts.write_json(folder / "champion.json", {**said, "previous": previous, "number": number, "later": "more"})


def options(folder: Path, **said: Path) -> Options:
    return Options(feedback="sqlite:////nowhere", champion=folder / "champion.json", **said)


def look(watch: Watch) -> None:
    asyncio.run(watch.look())


def corrupt(folder: Path) -> None:
    path = folder / "bundle" / "items.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_champion_is_served_and_the_next_one_taken(champions):
    folder, first, second = champions
    promote(folder, first, 1)
    artifacts.write_json(folder / first / "metrics.json", {"models": {"hybrid": {"NDCG@10": {"mean": 0.25}, "MRR@10": {"mean": "?"}}}})
    watch = Watch.start(options(folder))
    before = watch.live
    assert (before.about.bundle, before.about.number, before.about.since) == (first, 1, datetime(2026, 1, 1, tzinfo=UTC))
    look(watch)
    assert watch.live is before
    promote(folder, second, 2, first)
    look(watch)
    assert watch.live.about.bundle == watch.live.recommender.bundle == second
    assert before.recommender.recommend(history=[]).bundle == first
    promote(folder, first, 3, second)
    look(watch)
    assert watch.live.about.bundle == first


def test_scores_are_shown_where_they_are_written_down(champions):
    folder, first, _ = champions
    promote(folder, first, 1)
    assert Watch.start(options(folder)).models().served.metrics == {}
    artifacts.write_json(folder / first / "metrics.json", {"models": {"hybrid": {"NDCG@10": {"mean": 0.25}}}})
    assert Watch.start(options(folder)).models().served.metrics == {"NDCG@10": 0.25}


def test_a_corrupt_champion_is_refused_by_name_and_the_old_one_serves_on(champions, monkeypatch):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    corrupt(folder / second)
    promote(folder, second, 2, first)
    before = watch.live
    look(watch)
    assert watch.live is before
    refused = watch.models().refused
    assert (refused.bundle, refused.number) == (second, 2)
    assert "items.parquet" in refused.reason
    assert str(folder) not in refused.reason
    tries = []
    monkeypatch.setattr(watch, "loading", lambda *said: tries.append(said))
    look(watch)
    assert tries == []
    monkeypatch.setattr(watch, "loading", live.load)
    promote(folder, first, 3, second)
    look(watch)
    assert watch.models().refused is None
    assert watch.live.about.number == 3


def test_a_refused_champion_is_tried_again_after_a_while(champions):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    whole = (folder / second / "bundle/items.parquet").read_bytes()
    corrupt(folder / second)
    promote(folder, second, 2, first)
    look(watch)
    (folder / second / "bundle/items.parquet").write_bytes(whole)
    look(watch)
    assert watch.live.about.bundle == first
    watch.next_try = 0.0
    look(watch)
    assert (watch.live.about.bundle, watch.refused) == (second, None)


def test_another_bundle_than_the_pointer_says_is_refused(champions):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    shutil.rmtree(folder / second / "bundle")
    shutil.copytree(folder / first / "bundle", folder / second / "bundle")
    promote(folder, second, 2, first)
    look(watch)
    assert f"holds bundle {first}, not {second}" in watch.models().refused.reason


def test_a_bundle_that_this_code_cannot_use_is_refused(champions):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    artifacts.write_tensors(folder / second / "bundle/vectors.safetensors", {})
    (folder / second / "bundle/manifest.json").unlink()
    third = artifacts.seal(folder / second / "bundle", {})
    (folder / second).rename(folder / third)
    promote(folder, third, 2, first)
    look(watch)
    assert "can't be served by this code" in watch.models().refused.reason
    assert watch.live.about.bundle == first


def test_at_the_start_the_champion_before_a_corrupt_one_serves(champions):
    folder, first, second = champions
    corrupt(folder / second)
    promote(folder, second, 2, first)
    Watch.check(options(folder))
    watch = Watch.start(options(folder))
    assert watch.live.about.bundle == first
    assert watch.models().refused.bundle == second


def test_with_no_champion_that_can_be_served_there_is_no_start(champions):
    folder, first, second = champions
    corrupt(folder / first)
    corrupt(folder / second)
    for previous in (first, None):
        promote(folder, second, 2, previous)
        for start in (Watch.start, Watch.check):
            with pytest.raises(BundleError, match=r"items\.parquet"):
                start(options(folder))


def test_a_named_bundle_is_served_whoever_is_champion(champions):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder, bundle=folder / second / "bundle"))
    look(watch)
    assert (watch.live.about.bundle, watch.live.about.number) == (second, None)


def test_the_first_champion_takes_the_place_of_none(champions, monkeypatch):
    folder, first, second = champions
    monkeypatch.setattr(live, "default", lambda: folder / second / "bundle")
    watch = Watch.start(options(folder))
    assert (watch.live.about.bundle, watch.live.about.number) == (second, None)
    promote(folder, first, 1)
    look(watch)
    assert (watch.live.about.bundle, watch.live.about.number) == (first, 1)


@pytest.mark.parametrize("said", ["", "{", "[]", "{}", json.dumps({"bundle": "a", "folder": "a", "since": "never", "number": 1})])
def test_a_pointer_that_is_none_changes_nothing(champions, said):
    folder, first, _ = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    (folder / "champion.json").write_text(said)
    with pytest.raises(BundleError, match=r"champion\.json"):
        look(watch)
    assert watch.live.about.bundle == first


def test_a_pointer_out_of_its_folder_is_refused(champions, tmp_path):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    shutil.copytree(folder / second / "bundle", tmp_path / "outside")
    said = json.loads((folder / "champion.json").read_text()) | {"bundle": second, "folder": "../outside", "number": 2}
    artifacts.write_json(folder / "champion.json", said)
    look(watch)
    assert watch.live.about.bundle == first
    assert "leads out" in watch.models().refused.reason
