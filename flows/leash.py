"""Run a command in a process group of its own that never outlives its limit, its end, or the process that holds the leash.

    python leash.py SECONDS COMMAND [ARGUMENT …]

Whoever starts this file holds its standard input; when that closes, by intent or by death (SIGKILL too), the whole group is
ended: TERM first, KILL after a grace. The exit status is the command's, or `EXPIRED` past the limit. Standard library only.
"""

import os
import signal
import subprocess
import sys
import threading
import time

EXPIRED = 124  # as `timeout` of coreutils
GRACE = 5.0  # seconds from TERM to KILL


def run(limit: float, command: list[str]) -> int:
    """Run the command and return its exit status; nothing of its group is left when this returns."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_follow, args=(child.pid,), daemon=True).start()
    try:
        return child.wait(limit)
    except subprocess.TimeoutExpired:
        return EXPIRED
    finally:
        end(child)


def end(child: "subprocess.Popen[bytes]") -> None:
    """End the group that the child leads, and reap the child."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        _signal(child.pid, sign)
        until = time.monotonic() + GRACE
        while _signal(child.pid, 0) and time.monotonic() < until:
            child.poll()  # a leader that is dead but not reaped still counts as one of its group
            time.sleep(0.02)
    child.wait()


def _follow(group: int) -> None:
    while os.read(0, 4096):  # not through sys.stdin, whose lock would outlive the interpreter
        pass
    _signal(group, signal.SIGTERM)
    time.sleep(GRACE)
    _signal(group, signal.SIGKILL)


def _signal(group: int, sign: int) -> bool:
    try:
        os.killpg(group, sign)
    except ProcessLookupError:
        return False
    return True


def _leave(sign: int, _frame: object) -> None:
    raise SystemExit(128 + sign)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    status = run(float(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
