"""Stage package: a Bento that serves the bundle, built only when the gate let that bundle pass."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from components import artifacts
from components.delivery.closure import closure, pins
from components.errors import BundleError, DataError
from components.progress import say
from components.stage import run

ROOT = Path(__file__).parents[2]
NAME = "zhijian"
SERVICE = "serving.service"
DATE = "1970-01-01T00:00:00+00:00"  # for every Bento: the time of a build is no part of what was built
TARGET = re.compile(r'"_target_":\s*"([\w.]+)\.\w+"')
WEIGHTS = re.compile(r'"package:(\w+)[/"]')  # Python packages whose files a bundle reads
TRIAL = 'from components.dialogue.conversation import Conversation as C; talk = C.load("bundle"); talk.turn(talk.start(), "hello")'
BENTOFILE = {
    "service": f"{SERVICE}:Zhijian",
    "name": NAME,
    "description": "Personalised recommendations with their reasons: recommend, similar, explain, chat.",
    "include": ["serving", "components", "bundle", "papers", "requirements.txt"],
    "python": {"requirements_txt": "requirements.txt", "lock_packages": False},
    "docker": {"distro": "debian", "python_version": "3.11"},
}


def main(bundle: Path, verdict: Path, metrics: Path, validation: Path, out: Path) -> None:
    """Write `package.json` and, on a pass, `bento/`: the service, the code and pins that it needs, the bundle, and what tells of it.

    Equal inputs give equal bytes: the Bento's version is the bundle's id and its date a fixed one.

    Raises:
        DataError: the verdict is no verdict, or it or the metrics are about another bundle.
        BundleError: the bundle does not match its manifest, can't be loaded by the code that is carried, or BentoML fails.
    """
    identity = artifacts.verify(bundle)["id"]
    reason = _refused(verdict, identity)
    if (measured := artifacts.read_json(metrics).get("bundle")) != identity:
        raise DataError(f"{metrics}: measures bundle {measured}, not {identity}; measure this one with `dvc repro evaluate`")
    with artifacts.folder(out) as aside:
        if not reason:
            _build(bundle, identity, [metrics, verdict, validation], aside / "bento")
        artifacts.write_json(aside / "package.json", {"built": not reason, "bundle": identity, "reason": reason})
    say(f"package: no Bento was built: {reason}" if reason else f"package: built {out / 'bento'}; serve it with `zhijian serve`")


def _refused(path: Path, identity: str) -> str:
    """Read why the gate refused the bundle; nothing when it passed."""
    verdict = artifacts.read_json(path)
    try:
        passed, judged, criteria = bool(verdict["passed"]), verdict["bundle"], verdict["criteria"]
        reasons = [str(one.get("reason") or one.get("name")) for one in criteria if not one["passed"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a verdict of the gate ({error!r}); write it anew with `dvc repro gate`") from None
    if judged != identity:
        raise DataError(f"{path}: judges bundle {judged}, not {identity}; judge this one with `dvc repro gate`")
    return "" if passed else "the gate refused it: " + ("; ".join(reasons) or "no criterion named")


def _build(bundle: Path, identity: str, papers: list[Path], out: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="zhijian-") as name:  # not below .state: BentoML refuses files in hidden folders
        home, context = Path(name, "home").resolve(), Path(name, "context").resolve()
        _lay_out(bundle, papers, context)
        home.mkdir()
        _python("its code can't load the bundle; make it anew with `dvc repro`", context, home, "-c", TRIAL)
        _python("BentoML can't build it", context, home, "-m", "bentoml", "build", ".", "--version", identity)
        built = home / "bentos" / NAME / identity
        _settle(built / "bento.yaml")
        artifacts.verify(built / "src" / "bundle")
        shutil.move(built, out)


def _lay_out(bundle: Path, papers: list[Path], context: Path) -> None:
    """Copy what the Bento is to carry: a bundle names classes that rank in it and packages with weights, so these count as imported."""
    shutil.copytree(bundle, context / "bundle")
    for paper in papers:
        artifacts.write_text(context / "papers" / paper.name, paper.read_text(encoding="utf-8"))
    named = {module for path in bundle.glob("*.json") for module in TARGET.findall(path.read_text(encoding="utf-8"))}
    carried = closure(ROOT, [SERVICE, *named])
    for file in [*carried.files, *_data(carried.files)]:
        (context / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, context / file)
    weights = {package for path in bundle.glob("*.json") for package in WEIGHTS.findall(path.read_text(encoding="utf-8"))}
    needed = pins([*carried.outside, *weights], ROOT / "constraints.txt")
    artifacts.write_text(context / "requirements.txt", "\n".join(needed) + "\n")
    artifacts.write_text(context / "bentofile.yaml", yaml.safe_dump(BENTOFILE, sort_keys=True))


def _data(files: list[Path]) -> list[Path]:
    """Words, templates and the page: files beside the carried modules, or in a folder of their own there."""
    kinds = ("*.yaml", "*/*.yaml", "web/*")
    found = {path for folder in {file.parent for file in files} for kind in kinds for path in (ROOT / folder).glob(kind)}
    return sorted(path.relative_to(ROOT) for path in found)


def _python(complaint: str, folder: Path, home: Path, *arguments: str) -> None:
    settings = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([sys.executable, *arguments], env=os.environ | settings, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip() or f"status {ended.returncode}").splitlines()[-1]
        raise BundleError(f"Bento: {complaint}: {said.strip()}")


def _settle(path: Path) -> None:
    """Put the fixed date in the place of the time of the build."""
    text = path.read_text(encoding="utf-8")
    settled, count = re.subn(r"^creation_time: .*$", f"creation_time: {DATE}", text, flags=re.MULTILINE)
    if count != 1:
        raise BundleError(f"{path.name}: BentoML wrote {count} creation times, not one; this version of BentoML is not supported")
    artifacts.write_text(path, settled)


if __name__ == "__main__":
    run(main)
