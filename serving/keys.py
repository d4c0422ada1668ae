"""API keys: made once, shown once, kept as hashes. `python -m serving.keys create --scope read --scope feedback`."""

import argparse
import hashlib
import hmac
import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components import artifacts
from components.errors import ConfigError, ZhijianError
from serving.options import Options

Scope = Literal["read", "feedback", "items", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "feedback", "items", "admin")
LOOK = 1.0  # seconds between two looks at the file


class Key(BaseModel):
    """A key as it is kept. Its secret is 256 random bits, so a plain hash is as good as a slow one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[0-9a-f]{8}$")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: list[Scope] = Field(min_length=1)
    rate: float | None = Field(default=None, gt=0, description="requests a second, in place of the service's own limit")
    made: str


class File(BaseModel):
    """The file of keys."""

    model_config = ConfigDict(extra="forbid")

    keys: list[Key]


def read(path: Path) -> dict[str, Key]:
    """Read the keys by name; raises ConfigError when the file is missing or no file of keys."""
    try:
        return {key.name: key for key in File.model_validate(artifacts.read_json(path)).keys}
    except (ZhijianError, ValidationError) as error:
        said = error if isinstance(error, ZhijianError) else f"{path}: not a file of keys"
        raise ConfigError(f"{said}; make one with `python -m serving.keys create --scope read`") from None


def create(path: Path, scopes: Sequence[Scope], rate: float | None = None) -> str:
    """Add a key to the file, which only its owner may read, and give it: it is nowhere else."""
    name, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = Key(name=name, hash=_hash(secret), scopes=sorted(set(scopes)), rate=rate, made=datetime.now(UTC).isoformat(timespec="seconds"))
    _write(path, {**(read(path) if path.exists() else {}), name: key})
    return f"zj_{name}_{secret}"


def revoke(path: Path, name: str) -> None:
    """Take a key out of the file; raises ConfigError when it is not there."""
    kept = read(path)
    if name not in kept:
        raise ConfigError(f"{path}: no key {name!r}")
    _write(path, {other: key for other, key in kept.items() if other != name})


@dataclass
class Ring:
    """The keys in force: the file is read anew when it changes."""

    path: Path
    keys: dict[str, Key] = field(default_factory=dict[str, Key])
    state: tuple[int, int] = (0, 0)
    looked: float = 0.0

    def read(self) -> None:
        """Read the file; raises ConfigError when it is missing or no file of keys."""
        read(self.path)

    def find(self, said: str) -> Key | None:
        """Find the key that a client says, as in `zj_name_secret`."""
        self._refresh()
        mark, _, rest = said.partition("_")
        name, _, secret = rest.partition("_")
        key = self.keys.get(name)
        good = hmac.compare_digest(_hash(secret), key.hash if key else "0" * 64)
        return key if key and good and mark == "zj" else None

    def _refresh(self) -> None:
        if self.looked and time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        try:
            stat = self.path.stat()
            if (state := (stat.st_mtime_ns, stat.st_ino)) != self.state:
                self.keys, self.state = read(self.path), state
        except (OSError, ConfigError):
            self.keys, self.state = {}, (0, 0)  # without the file nobody can be told from anybody


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write(path: Path, keys: dict[str, Key]) -> None:
    with artifacts.atomic(path) as aside:
        aside.touch(mode=0o600)
        aside.write_text(File(keys=list(keys.values())).model_dump_json(indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Create, list and revoke keys; the file is --file, else ZHIJIAN_KEYS, else .state/keys.json."""
    parser = argparse.ArgumentParser(prog="python -m serving.keys", description="API keys; a new one is printed once")
    parser.add_argument("--file", type=Path, default=Options.read(os.environ).keys or Path(".state/keys.json"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("create", help="add a key and print it")
    make.add_argument("--scope", action="append", choices=SCOPES, required=True, dest="scopes")
    make.add_argument("--rate", type=float, help="requests a second")
    verbs.add_parser("list", help="show names, scopes and dates")
    verbs.add_parser("revoke", help="take a key out").add_argument("name")
    said = parser.parse_args(arguments)
    try:
        _do(said)
    except (ZhijianError, ValidationError) as error:
        raise SystemExit(f"keys: {error}") from None


def _do(said: argparse.Namespace) -> None:
    if said.verb == "create":
        sys.stdout.write(create(said.file, said.scopes, said.rate) + "\n")
        sys.stderr.write(f"kept as a hash in {said.file}; serve with ZHIJIAN_KEYS={said.file}\n")
    elif said.verb == "revoke":
        revoke(said.file, said.name)
    else:
        for key in read(said.file).values():
            sys.stdout.write(f"{key.name}  {' '.join(key.scopes)}  {key.made}\n")


if __name__ == "__main__":
    main()
