"""A PostgreSQL of one's own, in a folder of its own, reached by a socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


def binaries() -> Path | None:
    """Where PostgreSQL's programs are: on the path, or where Debian puts them."""
    found = [Path(there).resolve().parent] if (there := shutil.which("initdb")) else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else None


@dataclass
class Cluster:
    """A cluster that can be stopped, killed and started again."""

    programs: Path
    folder: Path
    user: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}@/postgres?host={self.folder}"

    def run(self, *command: str) -> None:
        subprocess.run(
            self._as(command), user=self._uid(), cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = self._as(("postgres", "-D", str(self.folder / "data"), "-k", str(self.folder), "-c", "listen_addresses="))
            self.process = subprocess.Popen(command, user=self._uid(), cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while subprocess.run(self._as(("pg_isready", "-q", "-h", str(self.folder))), check=False).returncode:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, how) if how == signal.SIGKILL else self.process.send_signal(how)
            self.process.wait(30)

    def _as(self, command: tuple[str, ...]) -> list[str]:
        return [str(self.programs / command[0]), *command[1:]]

    def _uid(self) -> str | None:
        return self.user if os.getuid() == 0 else None  # PostgreSQL refuses to run as root


@contextmanager
def postgresql(programs: Path) -> Iterator[Cluster]:
    """Make and start a cluster; it is gone when the block ends."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in ("postgres", "nobody") if name in names) if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="zhijian-pg-", dir="/tmp"))  # short and open enough for a socket of another user's
    try:
        if os.getuid() == 0:
            shutil.chown(folder, user)
        cluster = Cluster(programs, folder, user)
        cluster.run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", user, "--no-sync")
        cluster.start()
        yield cluster
        cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
