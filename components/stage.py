"""How a stage runs: its section of params.yaml, checked and instantiated, becomes the arguments of its `main`."""

import hashlib
import inspect
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, ValidationError, validate_call
from threadpoolctl import threadpool_limits

from components import artifacts, nodes
from components.errors import ConfigError, ZhijianError

PARAMS = Path("params.yaml")
STATE = Path(".state")


def run(main: Callable[..., None]) -> None:
    """Run a stage's `main` with its section of params.yaml; a ZhijianError ends the process with its text and status 2.

    The section is named after the module (`components.ranking.train` is `train`). Before `main` is called the section's
    `seed` and `threads` are set. Where `main` has a parameter `checkpoint`, it is given a folder under .state/ that
    outlives a killed run, keyed by everything the stage depends on, and removed when the stage ends well.
    """
    name = Path(inspect.getfile(main)).stem
    try:
        section = read(name)
        settle(name, section)
        arguments = {key: nodes.build(value, f"{name}.{key}") for key, value in section.items()}
        if "checkpoint" not in inspect.signature(main).parameters:
            _call(main, name, arguments)
            return
        checkpoint = STATE / "checkpoints" / f"{name}-{_key(section)}"
        _call(main, name, {**arguments, "checkpoint": checkpoint})
        shutil.rmtree(checkpoint, ignore_errors=True)
    except ZhijianError as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def read(name: str) -> dict[str, Any]:
    """Read a stage's section of params.yaml; raises ConfigError when it is not there."""
    if not PARAMS.exists():
        raise ConfigError(f"{PARAMS}: no such file; write it with `python -m components.configure`")
    sections = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    if name not in sections:
        raise ConfigError(f"{PARAMS}: no section {name!r}; write it anew with `python -m components.configure`")
    return sections[name]


def _call(main: Callable[..., None], name: str, arguments: dict[str, Any]) -> None:
    parameters = inspect.signature(main).parameters
    known = {key: value for key, value in arguments.items() if key in parameters or key not in {"seed", "threads"}}
    checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(main)
    try:
        checked(**known)
    except ValidationError as error:
        if error.title != main.__name__:
            raise
        raise ConfigError(nodes.explain(error, name)) from None


def settle(name: str, section: dict[str, Any]) -> None:
    """Fix what determinism needs, as a section says: the thread count of the numeric libraries and the seed of torch, once imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    seed, threads = _whole(name, section, "seed", 0), _whole(name, section, "threads", 1)
    threadpool_limits(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)


def _whole(name: str, section: dict[str, Any], key: str, least: int) -> int:
    value = section.get(key, least)
    if not isinstance(value, int) or value < least:
        raise ConfigError(f"{name}.{key}: must be a whole number from {least}, got {value!r}")
    return value


def _key(section: dict[str, Any]) -> str:
    inputs = sorted(Path(value) for key, value in section.items() if key != "out" and isinstance(value, str) and Path(value).exists())
    found = [json.dumps(section, sort_keys=True), artifacts.fingerprint(Path(__file__).parent, *inputs)]
    return hashlib.sha256("".join(found).encode()).hexdigest()[:16]
