"""What the environment says of how to serve; paths are made absolute where the service is started."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATE = Path(".state")


def count(environment: Mapping[str, str], name: str, otherwise: int) -> int:
    """Read a positive whole number; ValueError names the variable that is none."""
    if (said := environment.get(name)) is None:
        return otherwise
    if not said.isdecimal() or int(said) < 1:
        raise ValueError(f"{name}: must be a positive whole number, got {said!r}")
    return int(said)


@dataclass(frozen=True)
class Options:
    """Where things are.

    Attributes:
        feedback: URL of the event log's database, ZHIJIAN_FEEDBACK.
        champions: the pointer to the champion, ZHIJIAN_CHAMPION; there need not be one.
        bundle: the bundle to serve whatever the champion, ZHIJIAN_BUNDLE; None when not told.
        experiment: what is tried on users, ZHIJIAN_EXPERIMENT; beside the pointer when not told; there need not be any.
        keys: the file of API keys, ZHIJIAN_KEYS; None when there is none.
        reports: the folder of the last run's reports, ZHIJIAN_REPORTS; there need not be one.
    """

    feedback: str
    champion: Path
    bundle: Path | None = None
    experiment: Path = Path("champions/experiment.yaml")
    keys: Path | None = None
    reports: Path = Path("reports")

    @staticmethod
    def read(environment: Mapping[str, str] = os.environ) -> "Options":
        """Read the variables; what is not set is below the folder where the service was started."""
        bundle, keys = (environment.get(name) for name in ("ZHIJIAN_BUNDLE", "ZHIJIAN_KEYS"))
        champion = Path(environment.get("ZHIJIAN_CHAMPION") or "champions/champion.json").absolute()
        return Options(
            feedback=environment.get("ZHIJIAN_FEEDBACK") or f"sqlite:///{(STATE / 'feedback.sqlite').absolute()}",
            champion=champion,
            bundle=Path(bundle) if bundle else None,
            experiment=Path(environment.get("ZHIJIAN_EXPERIMENT") or champion.with_name("experiment.yaml")).absolute(),
            keys=Path(keys).absolute() if keys else None,
            reports=Path(environment.get("ZHIJIAN_REPORTS") or "reports").absolute(),
        )

    @property
    def docs(self) -> Path:
        """The folder of Data Docs."""
        return self.reports / "data_docs"

    def say(self) -> dict[str, str]:
        """The same as variables, for processes that are started elsewhere."""
        paths = {"ZHIJIAN_CHAMPION": self.champion, "ZHIJIAN_EXPERIMENT": self.experiment, "ZHIJIAN_REPORTS": self.reports}
        said = {"ZHIJIAN_FEEDBACK": self.feedback} | {name: str(path) for name, path in paths.items()}
        return said | ({"ZHIJIAN_KEYS": str(self.keys)} if self.keys else {})
