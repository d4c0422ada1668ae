"""What the champion learned, laid where the stages that train read it and tracked by DVC; or taken away, for a training from scratch."""

import shutil
import sys
from pathlib import Path

import yaml

from components import artifacts
from components.stage import PARAMS
from flows import champions, stages
from flows.stages import Tell

NAME = "warm"
STAGE = "train"  # whose section names the folder
BEHAVIOUR = Path("artifacts/pretrain/behaviour.safetensors")  # kept beside a champion, since a bundle serves without it
IDS = ("items.parquet", "users.parquet")


def wanted(warm: bool) -> list[str]:
    """Its name, to be run before the stages that train, where weights are to be laid or to be taken away."""
    place = _place()
    return [NAME] if place and (warm or place.exists()) else []


def lay(warm: bool, limit: float, tell: Tell) -> str:
    """Lay the present champion's weights, or take away what lies there; return Ran, or Cached where nothing changed.

    Without a champion nothing is laid, and training begins from scratch.

    Raises:
        BundleError: the champion is damaged.
        StageError, BusyError: DVC could not track them.
    """
    place = _place()
    assert place is not None, "only what is wanted is laid"
    pointer = place.with_suffix(".dvc")
    before = pointer.read_bytes() if pointer.exists() else b""
    champion = champions.current() if warm else None
    if champion is None:
        shutil.rmtree(place, ignore_errors=True)
        pointer.unlink(missing_ok=True)
        return "Ran" if before else "Cached"
    _copy(champions.STORE / champion.bundle, place)
    stages.patiently(NAME, [sys.executable, "-m", "dvc", "add", "--quiet", str(place)], limit, tell)
    return "Cached" if pointer.read_bytes() == before else "Ran"


def _place() -> Path | None:
    """The folder that params.yaml names; None where it names none."""
    sections = yaml.safe_load(PARAMS.read_text(encoding="utf-8")) or {} if PARAMS.exists() else {}
    named = sections.get(STAGE, {}).get(NAME)
    return Path(named) if named else None


def _copy(champion: Path, place: Path) -> None:
    """The weights of the champion's parts, its catalogue's and its users' ids, and the behaviour BERT where it was kept."""
    bundle, kept = champion / champions.BUNDLE, champion / BEHAVIOUR.name
    artifacts.verify(bundle)
    parts = artifacts.read_json(bundle / "ranker.json")["parts"]
    with artifacts.folder(place) as aside:
        for path in [*(bundle / name for name in IDS), *(bundle / f"{part}.safetensors" for part in parts), kept]:
            if path.exists():
                shutil.copyfile(path, aside / path.name)
