"""Configuration nodes: a mapping with `_target_` is a call of a class of ours, checked by name before it is made."""

import ast
import dataclasses
import importlib
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.errors import ConfigError

ALLOWED = "components."  # a `_target_` names a class below this package, or is refused


def build(value: Any, where: str) -> Any:
    """Instantiate every node (a mapping with `_target_`) in a section, inner ones first.

    Raises:
        ConfigError: names the place, and the key or value that is wrong.
    """
    if isinstance(value, list):
        return [build(inner, f"{where}[{i}]") for i, inner in enumerate(value)]
    if not isinstance(value, dict):
        return value
    inner = {key: build(item, f"{where}.{key}") for key, item in value.items() if key != "_target_"}
    if "_target_" not in value:
        return inner
    cls = locate(value["_target_"], where)
    try:
        return cls(**inner)
    except ValidationError as error:
        raise ConfigError(explain(error, where)) from None


def plain(value: Any) -> Any:
    """Turn nodes back into what they were built from: mappings with `_target_`, lists and plain values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"_target_": f"{type(value).__module__}.{type(value).__qualname__}"} | fields
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity; a float field reads the word
    return str(value) if isinstance(value, Path) else value


def locate(target: str, where: str) -> type[Any]:
    """Import the class that `_target_` names; raises ConfigError outside the allow-list or where nothing is found."""
    module, _, name = str(target).rpartition(".")
    if module.startswith(ALLOWED) and (found := _defined(module, name)):
        return found
    source(target, where)  # says what is wrong
    return getattr(importlib.import_module(module), name)


def _defined(module: str, name: str) -> type[Any] | None:
    """A module's own class, without reading its source; None where there is none."""
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None
    return found if isinstance(found, type) and found.__module__ == module else None


def source(target: str, where: str) -> ast.ClassDef:
    """Find the class that `_target_` names, without importing its module.

    Raises:
        ConfigError: the target is outside the allow-list, or there is no such module or class.
    """
    module, _, name = str(target).rpartition(".")
    if not module.startswith(ALLOWED):
        raise ConfigError(f"{where}._target_: {target!r} is not below {ALLOWED}; only Zhijian's own classes are built from configuration")
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise ConfigError(f"{where}._target_: no module {module}")
    for item in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(item, ast.ClassDef) and item.name == name:
            return item
    raise ConfigError(f"{where}._target_: no class {name} in {spec.origin}")


def check(value: Any, where: str) -> None:
    """Check every node's keys against its class's fields, by reading its source, so that no heavy import is needed.

    Raises:
        ConfigError: names the node, the key, and the keys that there are.
    """
    if isinstance(value, list):
        for i, inner in enumerate(value):
            check(inner, f"{where}[{i}]")
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        check(inner, f"{where}.{key}")
    if "_target_" in value:
        fields = dict(_fields(source(value["_target_"], where)))
        _compare(set(value) - {"_target_"}, fields, where, value["_target_"])


def signature(module: str) -> dict[str, bool]:
    """Read the parameters of a stage module's `main`, and whether each is required, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"no module {module}")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    main = next(item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == "main")
    plain = main.args.args
    required = len(plain) - len(main.args.defaults)
    found = {arg.arg: i < required for i, arg in enumerate(plain)}
    return found | {arg.arg: default is None for arg, default in zip(main.args.kwonlyargs, main.args.kw_defaults, strict=True)}


def check_section(name: str, module: str, section: dict[str, Any]) -> None:
    """Check a stage's section against its `main` and every node in it against its class; raises ConfigError."""
    parameters = {key: required for key, required in signature(module).items() if key != "checkpoint"}
    _compare(set(section), {"seed": False, "threads": False} | parameters, name, f"{module}.main")
    for key, value in section.items():
        check(value, f"{name}.{key}")


def _compare(keys: set[str], fields: dict[str, bool], where: str, what: str) -> None:
    unknown = sorted(keys - set(fields))
    missing = sorted(name for name, required in fields.items() if required and name not in keys)
    if unknown:
        raise ConfigError(f"{where}: unknown key {', '.join(unknown)} for {what}; it has: {', '.join(sorted(fields))}")
    if missing:
        raise ConfigError(f"{where}: key {', '.join(missing)} is missing for {what}")


def _fields(cls: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    for item in cls.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and "ClassVar" not in ast.unparse(item.annotation):
            yield item.target.id, item.value is None


def explain(error: ValidationError, where: str) -> str:
    """Say in one line which keys of a node have which wrong value."""
    found = error.errors(include_url=False)
    return "; ".join(f"{'.'.join([where, *map(str, e['loc'])])}: {e['msg']}, got {e['input']!r}" for e in found)
