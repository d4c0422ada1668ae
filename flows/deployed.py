"""The flows as a work pool starts them, in the project's folder: settings first, since Prefect reads them when it is imported."""

from pathlib import Path

from flows import settings

settings.settle(Path.cwd())

from flows.monitor import monitor  # noqa: E402
from flows.pipeline import pipeline  # noqa: E402

__all__ = ["monitor", "pipeline"]
