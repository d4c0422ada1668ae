"""Files: whole or not at all, hashed, inside their root."""

import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from components import artifacts
from components.errors import BundleError, DataError


class CrashError(Exception):
    pass


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    with artifacts.folder(folder) as aside:
        artifacts.write_tensors(aside / "a.safetensors", {"x": np.arange(6.0)})
        artifacts.write_json(aside / "inner" / "b.json", {"k": 1})
        artifacts.seal(aside, {"made": "here"})
    return folder


def test_a_crash_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    artifacts.write_text(path, "old")
    with pytest.raises(CrashError), artifacts.atomic(path) as aside:
        aside.write_text("half of the new")
        raise CrashError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.txt"]


def test_a_crash_leaves_no_half_folder(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(CrashError), artifacts.folder(path) as aside:
        (aside / "first").write_text("1")
        raise CrashError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = [f".out.{ended.pid}", ".out.1", ".out.backup", f".other.{ended.pid}"]
    for name in names:
        (tmp_path / name).mkdir()
    artifacts.write_text(tmp_path / "out", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[1:], "out"])


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with artifacts.folder(tmp_path / "out") as aside:
            (aside / name).write_text(name)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["second"]


def test_equal_content_is_equal_bytes(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    for name in ("one", "two"):
        artifacts.write_table(tmp_path / f"{name}.parquet", table)
        artifacts.write_tensors(tmp_path / f"{name}.safetensors", {"b": np.ones(2), "a": np.zeros((2, 2), dtype=np.float32)})
        artifacts.write_json(tmp_path / f"{name}.json", {"b": 1, "a": [1.5, "知荐"]})
    for ending in ("parquet", "safetensors", "json"):
        assert artifacts.digest(tmp_path / f"one.{ending}") == artifacts.digest(tmp_path / f"two.{ending}")


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    artifacts.write_tensors(tmp_path / "t.safetensors", {"a": np.zeros(1)})
    assert (tmp_path / "t.safetensors").stat().st_mode & 0o044 == 0o044


def test_no_nan_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("read", "name"), [(artifacts.read_json, "x.json"), (artifacts.read_table, "x.parquet"), (artifacts.read_tensors, "x.safetensors")]
)
def test_missing_and_damaged_files_are_named(tmp_path: Path, read, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: no such file"):
        read(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x00\x01 not that")
    with pytest.raises(DataError, match=f"{name}: not"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="leads out of"):
        artifacts.inside(tmp_path, name)
    assert artifacts.inside(tmp_path, "a/../b") == (tmp_path / "b").resolve()


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to("/etc")
    with pytest.raises(DataError, match="leads out of"):
        artifacts.inside(tmp_path / "root", "link/passwd")


def test_a_sealed_folder_verifies_and_its_id_is_its_content(sealed: Path, tmp_path: Path) -> None:
    manifest = artifacts.verify(sealed)
    assert manifest["about"] == {"made": "here"}
    assert set(manifest["files"]) == {"a.safetensors", "inner/b.json"}
    with artifacts.folder(tmp_path / "other") as aside:
        artifacts.write_tensors(aside / "a.safetensors", {"x": np.arange(6.0)})
        artifacts.write_json(aside / "inner" / "b.json", {"k": 1})
        assert artifacts.seal(aside, {"made": "here"}) == manifest["id"]


@pytest.mark.parametrize("name", ["a.safetensors", "inner/b.json"])
def test_any_changed_byte_is_found(sealed: Path, name: str) -> None:
    content = (sealed / name).read_bytes()
    for place in range(0, len(content), 7):
        (sealed / name).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(BundleError, match=name.replace(".", r"\.")):
            artifacts.verify(sealed)


def test_a_changed_manifest_is_found(sealed: Path) -> None:
    path = sealed / artifacts.MANIFEST
    path.write_text(path.read_text().replace("here", "there"))
    with pytest.raises(BundleError, match=r"manifest\.json"):
        artifacts.verify(sealed)


def test_fingerprint_sees_names_and_bytes_but_no_compiled_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = artifacts.fingerprint(tmp_path)
    (tmp_path / "a.pyc").write_text("compiled")
    assert artifacts.fingerprint(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert artifacts.fingerprint(tmp_path) != first


def test_yaml_gives_plain_values_alone(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text("a: [1, x, 知]\nb: {c: 2.5}\n", encoding="utf-8")
    assert artifacts.read_yaml(path) == {"a": [1, "x", "知"], "b": {"c": 2.5}}
    path.write_text("a: !!python/object/apply:os.system [true]\n")
    with pytest.raises(yaml.YAMLError):
        artifacts.read_yaml(path)
