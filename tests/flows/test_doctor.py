import importlib.metadata
import os

import pytest

from components import artifacts
from flows import doctor


def test_python():
    assert doctor.python((3, 11, 4)).state == "ok"
    assert doctor.python((3, 12, 0)).state == "fail"


@pytest.mark.parametrize(
    ("pin", "state", "found"),
    [
        (f"polars=={importlib.metadata.version('polars')}", "ok", "1 as pinned"),
        ("polars==0.1", "fail", "polars is "),
        ("idna==0.1", "warn", "idna is "),
        ("not-installed==1  # a peer", "ok", "0 as pinned"),
    ],
)
def test_packages_are_held_against_the_pins(tmp_path, pin, state, found):
    (tmp_path / "pins").write_text(f"# pins\n{pin}\n")
    check = doctor.packages(tmp_path / "pins")
    assert (check.state, found in check.found) == (state, True)


def test_room_warns_then_fails():
    states = [doctor.room("disk", size * doctor.GIB, 4).state for size in (4, 3, 1)]
    assert states == ["ok", "warn", "fail"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_fails(tmp_path):
    tmp_path.chmod(0o500)
    assert doctor.state(tmp_path).state == "fail"


def test_a_file_where_the_state_folder_should_be_fails(tmp_path):
    (tmp_path / "state").write_text("")
    assert doctor.state(tmp_path / "state").state == "fail"


def test_bundle_is_verified(tmp_path):
    assert doctor.bundle(tmp_path / "none").state == "warn"
    (tmp_path / "items.txt").write_text("a")
    artifacts.seal(tmp_path, {})
    assert doctor.bundle(tmp_path).state == "ok"
    (tmp_path / "items.txt").write_text("b")
    check = doctor.bundle(tmp_path)
    assert check.state == "fail"
    assert "items.txt" in check.found
