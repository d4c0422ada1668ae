"""An experiment on those who are served: begun, changed and ended by one file that the service follows, judged by the event log."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from components import artifacts
from components.errors import ConfigError, ZhijianError
from components.recommend.experiment import Experiment
from flows import champions, report, stages
from flows.stages import Tell

TABLES = Path(".state/exposures")
COMMAND = (sys.executable, "-m", "serving.learning")  # another process, since flows know nothing of the service
LIMIT = 600.0  # seconds for the export


def file(store: Path = champions.STORE) -> Path:
    """The file that the service follows: ZHIJIAN_EXPERIMENT, else beside the champion's pointer."""
    return Path(os.environ.get("ZHIJIAN_EXPERIMENT") or store / champions.EXPERIMENT)


def begin(changes: dict[str, Any], bundle: str | None = None, store: Path = champions.STORE) -> Experiment:
    """Write down what is tried from now on; what is not given stays as it was.

    Args:
        changes: fields of `Experiment`, without the challenger.
        bundle: the challenger: a bundle's folder, which is laid into the store, or the beginning of the id of one that is there.

    Raises:
        ConfigError: a field is wrong, there is no such bundle, or nothing is tried.
        BundleError: the bundle does not match its manifest.
    """
    before = Experiment.read(file(store)) or Experiment()
    said = before.model_dump() | changes
    if bundle:
        identity = champions.lay_in(Path(bundle), {}, {}, store) if Path(bundle).is_dir() else champions.find(bundle, store)
        said["challenger"] = f"{identity}/{champions.BUNDLE}"
    artifacts.write_text(aside := file(store).with_suffix(".next"), yaml.safe_dump(said, sort_keys=False))
    try:
        if (found := Experiment.read(aside)) and (found.challenger or found.slots):
            aside.replace(file(store))
            return found
    finally:
        aside.unlink(missing_ok=True)
    raise ConfigError("nothing is tried: give a --challenger, or --slots above 0 for new items")


def end(store: Path = champions.STORE) -> None:
    """Try nothing from now on; raises ConfigError where nothing is tried."""
    if not file(store).exists():
        raise ConfigError("no experiment is under way")
    file(store).unlink()


def judge(tell: Tell) -> dict[str, Any] | None:
    """Judge the experiment's policies by the event log and write `reports/experiment.json`; None where no log was begun.

    Raises:
        DataError: nothing was shown in an experiment.
        StageError: the log can't be read.
    """
    from components.evaluation.offpolicy import judged

    shutil.rmtree(TABLES, ignore_errors=True)
    stages.patiently("exposures", [*COMMAND, str(TABLES), "exposures"], LIMIT, tell)
    if not (TABLES / "exposures.parquet").exists():
        return None
    found = judged(artifacts.read_table(TABLES / "exposures.parquet"))
    artifacts.write_json(report.EXPERIMENT, found)
    return found


def follow(tell: Tell) -> None:
    """Judge the experiment where one is under way; what stands in the way is told, and fails no run that has done its work."""
    if file().exists():
        try:
            judge(tell)
        except ZhijianError as error:
            tell(str(error))
