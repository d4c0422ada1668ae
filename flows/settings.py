"""Where the tools keep their state, and what they keep quiet about: set before any of them is imported."""

import os
import sys
from pathlib import Path

from components.errors import ConfigError

PIPELINE = "dvc.yaml"
STATE = ".state"
BUNDLE = Path("artifacts/bundle")  # of the last run
BENTO = Path("artifacts/package/bento")
FOLDERS = {
    "PREFECT_HOME": "prefect",
    "BENTOML_HOME": "bentoml",
    "MPLCONFIGDIR": "matplotlib",
    "DVC_SITE_CACHE_DIR": "dvc",
}
PLAIN = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the run's log has every line; the terminal gets them from the flow itself
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_RUNNER_POLL_FREQUENCY": "2",  # seconds between looks for a run that is due
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def root(start: Path | None = None) -> Path:
    """Find the project's root, the nearest folder upward that has a dvc.yaml; raises ConfigError when there is none."""
    begin = (start or Path.cwd()).resolve()
    for folder in [begin, *begin.parents]:
        if (folder / PIPELINE).is_file():
            return folder
    raise ConfigError(f"{begin}: no {PIPELINE} here or in a folder above; run zhijian inside a Zhijian project")


def settle(project: Path) -> None:
    """Set the environment of Prefect, DVC, BentoML and the others, and create the folders of their state.

    What is set already stays. The folder of this Python comes first on PATH, so that a stage's `python` is this one.
    """
    for name, value in PLAIN.items():
        os.environ.setdefault(name, value)
    for name, folder in FOLDERS.items():
        place = Path(os.environ.setdefault(name, str(project / STATE / folder)))
        place.mkdir(parents=True, exist_ok=True)
    here, before = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([here, *(part for part in before if part != here)])
