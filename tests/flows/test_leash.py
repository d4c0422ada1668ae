import signal
import subprocess
import sys
import time
from pathlib import Path

from flows import leash


def start(limit: float, script: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-I", leash.__file__, str(limit), "sh", "-c", script],
        cwd=folder,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def test_the_status_is_the_command_s(tmp_path):
    for script, status in (("exit 7", 7), ("true", 0), ("kill -9 $$", 128 + signal.SIGKILL)):
        with start(60, script, tmp_path) as held:
            assert held.wait(20) == status


def test_past_the_limit_the_whole_group_is_gone(tmp_path, alive):
    began = time.monotonic()
    with start(0.5, "sleep 600 & echo $! > pid; sleep 600", tmp_path) as held:
        assert held.wait(20) == leash.EXPIRED
    assert time.monotonic() - began < 5
    assert not alive(tmp_path / "pid")


def test_who_ignores_term_is_killed(tmp_path, alive):
    with start(0.5, "trap '' TERM; echo $$ > pid; while true; do sleep 1; done", tmp_path) as held:
        assert held.wait(20) == leash.EXPIRED
    assert not alive(tmp_path / "pid")


def test_what_a_command_leaves_behind_ends_with_it(tmp_path, alive):
    with start(60, "sleep 600 & echo $! > pid", tmp_path) as held:
        assert held.wait(20) == 0
    assert not alive(tmp_path / "pid")


def test_when_the_leash_is_let_go_the_group_ends(tmp_path, alive, until):
    with start(60, "sleep 600 & echo $! > pid; wait", tmp_path) as held:
        until((tmp_path / "pid").exists)
        held.stdin.close()
        assert held.wait(20) == 128 + signal.SIGTERM
    assert not alive(tmp_path / "pid")
