import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components import artifacts
from components.errors import BundleError, ConfigError, DataError
from flows import champions
from flows.champions import Champion
from flows.stages import BusyError

WRITES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.copyfile", "shutil.rmtree"}


def bundle(folder: Path, text: str) -> Path:
    """A sealed folder."""
    (folder / "inner").mkdir(parents=True)
    (folder / "one.txt").write_text(text)
    (folder / "inner" / "two.txt").write_text(text * 2)
    artifacts.seal(folder, {"text": text})
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def crown(here: Path, text: str, how: champions.How = "promoted") -> str:
    folder = here / text
    made = folder if folder.exists() else bundle(folder, text)
    identity = champions.lay_in(made, {}, {"bundle": text})
    assert champions.switch(identity, how).bundle == identity
    return identity


def killed_at(write: int, act: Callable[[], object]) -> bool:
    """Do it in a child that dies, as by SIGKILL, just before its n-th write; False when it ended before that."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = [write]

    def die(event: str, arguments: tuple) -> None:
        if event not in WRITES or (event == "open" and not any(mark in str(arguments[1]) for mark in "wax+")):
            return
        left[0] -= 1
        if not left[0]:
            os._exit(9)

    sys.addaudithook(die)
    try:
        act()
        os._exit(0)
    finally:
        os._exit(1)


def test_nothing_is_champion_at_first(here):
    assert champions.current() is None
    assert champions.history() == []
    assert champions.papers() is None
    assert champions.line([]) == []


def test_a_promotion_moves_the_pointer_and_leaves_a_record(here):
    first, second = crown(here, "one"), crown(here, "two")
    now = champions.current()
    assert (now.bundle, now.previous, now.number, now.how) == (second, first, 2, "promoted")
    assert [record.bundle for record in champions.history()] == [first, second]
    assert artifacts.verify(champions.STORE / now.folder)["id"] == second
    assert json.loads((champions.papers() / "lineage.json").read_text()) == {"bundle": "two"}
    assert set(json.loads((champions.STORE / "champion.json").read_text())) >= {"bundle", "folder", "since", "previous", "number"}


def test_going_back_takes_off_what_is_left_behind(here):
    first, second, third = (crown(here, name) for name in ("one", "two", "three"))
    assert champions.line(champions.history()) == [first, second, third]
    crown(here, "two", "rolled back")
    assert champions.line(champions.history()) == [first, second]
    crown(here, "three")
    assert champions.line(champions.history()) == [first, second, third]
    crown(here, "one", "rolled back")
    assert champions.line(champions.history()) == [first]


@pytest.mark.parametrize("before", [0, 1])
def test_killed_before_any_write_the_old_one_is_whole_or_the_new_one_is(here, before):
    names = [crown(here, "one")][:before]
    if not before:
        shutil.rmtree("champions")
    made = bundle(here / "new", "new")
    new = artifacts.verify(made)["id"]
    if names:
        shutil.copytree("champions", "start")
    lineage = {"bundle": new}

    def act() -> Champion:
        return champions.switch(champions.lay_in(made, {"two.txt": made / "inner" / "two.txt"}, lineage), "promoted")

    write, seen = 1, set()
    while killed_at(write, act):
        now = champions.current()
        assert (now and now.bundle) in {names[0] if names else None, new}, write
        seen.add(now and now.bundle)
        if now:
            assert artifacts.verify(champions.STORE / now.folder)["id"] == now.bundle, write
            assert len(champions.history()) == now.number
        assert act().bundle == new, "the next promotion heals"
        assert not list(champions.STORE.rglob(".*")), "nothing is left of the killed one"
        shutil.rmtree("champions")
        if names:
            shutil.copytree("start", "champions")
        write += 1
    assert write > 10
    assert seen == {names[0] if names else None, new}


def test_a_record_that_the_pointer_never_came_to_does_not_count(here):
    first = crown(here, "one")
    artifacts.write_json(champions.STORE / "history" / "000002.json", {"bundle": "never"})
    assert [record.bundle for record in champions.history()] == [first]
    second = crown(here, "two")
    assert [record.bundle for record in champions.history()] == [first, second]


def test_a_bundle_that_was_changed_since_is_no_champion(here):
    first = crown(here, "one")
    crown(here, "two")
    (champions.STORE / first / "bundle" / "one.txt").write_text("other")
    before = (champions.STORE / "champion.json").read_bytes()
    with pytest.raises(BundleError, match=f"{first}: not the bundle that was promoted"):
        champions.switch(first, "rolled back")
    assert (champions.STORE / "champion.json").read_bytes() == before
    assert crown(here, "one") == first, "laid in again, it is whole again"


def test_a_torn_pointer_is_named(here):
    crown(here, "one")
    (champions.STORE / "champion.json").write_text("{")
    with pytest.raises(DataError, match=r"champion\.json: not valid JSON"):
        champions.current()
    (champions.STORE / "champion.json").write_text('{"bundle": 3}')
    with pytest.raises(BundleError, match=r"champion\.json: not a champion's record"):
        champions.current()


def test_old_folders_go_but_none_that_one_can_go_back_to(here):
    identities = [crown(here, f"b{n}") for n in range(6)]
    assert champions.prune(kept=3) == sorted(identities[:3])
    assert sorted(path.name for path in champions.STORE.iterdir() if path.name in identities) == sorted(identities[3:])
    crown(here, "b3", "rolled back")
    assert champions.prune(kept=3) == []
    with pytest.raises(BundleError):
        champions.switch(identities[0], "rolled back")


def test_a_bundle_is_found_by_the_beginning_of_its_id(here):
    first = crown(here, "one")
    assert champions.find(first[:6]) == first
    with pytest.raises(ConfigError, match=rf"'none': no bundle of champions begins so; there are: {first}"):
        champions.find("none")
    crown(here, "two")
    with pytest.raises(ConfigError, match="more than one"):
        champions.find("")


def test_two_at_once_one_works_the_other_is_busy(here):
    hold = "from flows import champions\nwith champions.switching():\n    print('held', flush=True)\n    input()"
    root = str(Path(champions.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", hold], env=os.environ | {"PYTHONPATH": root}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="busy: another promotion or rollback"), champions.switching():
            pass
        other.communicate("\n")
    with champions.switching(), champions.switching():
        pass
