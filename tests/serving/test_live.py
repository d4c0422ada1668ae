"""The pointer to the champion, and what takes its place."""

import asyncio
import json
import shutil
import subprocess
import sys
import weakref
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
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


def test_bundles_share_what_is_made_of_equal_bytes_and_of_no_others(champions):
    folder, first, second = champions
    bundles = [folder / name / "bundle" for name in (first, second)]
    one, two = (live.load(path) for path in bundles)
    for name in ("catalogue", "graph", "edges", "histories"):
        assert getattr(one.recommender, name) is getattr(two.recommender, name)
    assert one.conversation.lexicon is two.conversation.lexicon
    assert one.conversation.parsing.understanding.linker.names is two.conversation.parsing.understanding.linker.names
    assert (one.recommender.bundle, two.recommender.bundle) == (first, second)

    items = artifacts.read_table(bundles[1] / "items.parquet")
    artifacts.write_table(bundles[1] / "items.parquet", items.with_columns(title=pl.col("title") + " anew"))
    artifacts.seal(bundles[1], {"made": "three"})
    three = live.load(bundles[1])
    assert three.recommender.graph is one.recommender.graph
    assert three.recommender.catalogue.titles == [f"{title} anew" for title in one.recommender.catalogue.titles]
    assert three.conversation.lexicon.titles != one.conversation.lexicon.titles


def test_equal_bytes_elsewhere_excuse_no_wrong_one(champions):
    folder, first, second = champions
    held = live.load(folder / first / "bundle")
    corrupt(folder / second)
    with pytest.raises(BundleError, match=r"items\.parquet"):
        live.load(folder / second / "bundle")
    assert held.recommender.catalogue.titles


def test_a_bundle_that_was_replaced_is_let_go(champions):
    folder, first, second = champions
    promote(folder, first, 1)
    watch = Watch.start(options(folder))
    before = weakref.ref(watch.live.recommender)
    promote(folder, second, 2, first)
    look(watch)
    assert before() is None


def test_to_serve_a_bundle_no_transformers_are_imported_and_to_supervise_no_torch(bundle):
    said = (
        "import sys; from pathlib import Path; import serving.service; assert not {'torch', 'alembic', 'scipy'} & sys.modules.keys()\n"
        f"serving.service.load(Path({str(bundle)!r}))\n"
        "assert not {'transformers', 'huggingface_hub', 'scipy.optimize'} & sys.modules.keys()"
    )
    ended = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
