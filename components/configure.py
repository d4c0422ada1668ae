"""Stage configure: compose conf/ and the recorded overrides into params.yaml, one section per stage."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from components import artifacts, nodes, stage
from components.errors import ConfigError, ZhijianError

CONF = Path("conf")
OVERRIDES = CONF / "overrides.yaml"  # written by `zhijian retrain KEY=VALUE …`, tracked by git and DVC
STAGES = {
    "ingest": "components.data.ingest",
    "validate": "components.data.validate",
    "split": "components.data.split",
    "pretrain": "components.semantic.pretrain",
    "align": "components.knowledge.align",
    "train": "components.ranking.train",
    "converse": "components.dialogue.converse",
    "bundle": "components.delivery.bundle",
    "evaluate": "components.evaluation.evaluate",
    "gate": "components.evaluation.gate",
    "package": "components.delivery.package",
}
HEAD = "# Written by `python -m components.configure` from conf/; edit conf/, not this file.\n"


def compose(conf: Path = CONF, overrides: list[str] | None = None) -> dict[str, Any]:
    """Compose the sections of all stages and check every key in them.

    Args:
        overrides: Hydra overrides; those recorded in `overrides.yaml` when not given.

    Raises:
        ConfigError: an unknown group, option, key or stage, a value that can't be resolved, or `${oc.env:…}`.
    """
    composed = whole(conf, overrides)
    sections = {name: composed[name] for name in STAGES if name in composed}
    for name, module in STAGES.items():
        if name not in sections:
            raise ConfigError(f"{conf / 'config.yaml'}: no section {name}")
        nodes.check_section(name, module, sections[name])
    return sections


def whole(conf: Path = CONF, overrides: list[str] | None = None) -> dict[str, Any]:
    """Compose all of conf/, also what no stage reads (`promotion`, `schedule`); arguments and errors are those of `compose`."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    _refuse_environment(conf)
    chosen = recorded(conf / OVERRIDES.name) if overrides is None else overrides
    try:
        with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
            composed = hydra_compose("config", overrides=chosen)
        return OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)  # pyright: ignore[reportReturnType]
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_words(error, chosen)) from None


def recorded(path: Path = OVERRIDES) -> list[str]:
    """Read the recorded overrides; raises ConfigError when the file is not a list of strings."""
    if not path.exists():
        return []
    found = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    if not isinstance(found, list) or not all(isinstance(line, str) for line in found):
        raise ConfigError(f"{path}: must be a list of overrides such as `- dataset=movielens`")
    return found


def record(overrides: list[str], path: Path = OVERRIDES) -> None:
    """Record overrides, in place of those recorded before; nothing is written when they do not compose."""
    compose(path.parent, overrides)
    artifacts.write_text(path, "# Overrides in force; `zhijian retrain KEY=VALUE …` writes them.\n" + yaml.safe_dump(overrides))


def main() -> None:
    """Write params.yaml, whole or not at all."""
    text = HEAD + yaml.safe_dump(compose(), sort_keys=False, allow_unicode=True, width=120)
    artifacts.write_text(stage.PARAMS, text)


def _refuse_environment(conf: Path) -> None:
    for path in sorted(conf.rglob("*.yaml")):
        if re.search(r"\$\{\s*oc\.(env|decode)", path.read_text(encoding="utf-8")):
            raise ConfigError(f"{path}: ${{oc.env:…}} would be written in clear into params.yaml; give the variable's name instead")


def _words(error: Exception, overrides: list[str]) -> str:
    cause = error.__cause__ or error
    said = str(error).strip()
    if str(cause).strip() not in said:
        said = f"{said}\n{cause}"
    return f"configuration: {said}" + (f"\noverrides in force: {' '.join(overrides)}" if overrides else "")


if __name__ == "__main__":
    try:
        main()
    except ZhijianError as error:
        print(f"configure: {error}", file=sys.stderr)
        raise SystemExit(2) from None
