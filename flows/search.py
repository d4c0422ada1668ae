"""Hyper-parameter search over the artefacts of the last run: resumable, and bound in time."""

import hashlib
import json
import shlex
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from components import artifacts, configure, nodes, stage
from components.errors import ConfigError, DataError
from components.ranking.hybrid import Hybrid
from components.ranking.search import Axis, Trial, parse, read, settle
from flows.settings import STATE

DATABASE = Path(STATE) / "search.db"
LOCK = Path("dvc.lock")
USERS = Path("artifacts/bundle/users.parquet")
EARLIER = ("ingest", "validate", "split", "pretrain", "align")  # the stages whose outputs a search takes as they are
CODE = tuple(Path(configure.__file__).parent / name for name in ("data/histories.py", "knowledge", "ranking", "semantic", "training.py"))
LOST = 5.0  # seconds after which OvertimeError is raised again: where it meets a callback of C, Python only prints it
RANDOM = 10  # trials drawn at random before TPE has something to learn from
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
Tell = Callable[[str], None]


class OvertimeError(Exception):
    """A trial ran past its time."""


@dataclass(frozen=True)
class Limits:
    """When to stop: after so many ended trials, earlier ones of the same search included, or so many seconds; `each` bounds a trial."""

    trials: int
    each: float
    seconds: float = float("inf")


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        now: NDCG@10 of the settings in force.
        best: NDCG@10 of the best trial.
        overrides: the best trial's, and those in force that it leaves alone.
        trials: number, state, value, overrides and seconds of each, in order.
        importance: share of each key in the variance of the trials; empty for fewer than two good ones.
    """

    part: str | None
    now: float
    best: float
    overrides: list[str]
    trials: list[dict[str, Any]]
    importance: dict[str, float]

    @property
    def command(self) -> str:
        """The command that takes the best settings over."""
        return shlex.join(["zhijian", "retrain", *self.overrides])


def search(space: Sequence[str], part: str | None, limits: Limits, tell: Tell) -> Found:
    """Search by TPE (Bergstra et al., NeurIPS 2011), maximising NDCG@10 of the validation events.

    Each trial is kept in a database under .state/ as it ends, and its draw depends on (seed, number, trials before) alone:
    a killed search goes on where it was, by the same command, and finds what it would have found.

    Raises:
        ConfigError: the space is malformed, a key or part does not exist, or a value at its end is refused.
        DataError: the artefacts of the last run are missing or older than conf/, or no trial ended well.
    """
    axes = parse(space)
    sections, ranker = compose([])
    for number in range(max(len(axis.ends) for axis in axes)):
        compose([axis.ends[min(number, len(axis.ends) - 1)] for axis in axes])
    axes, section = settle(axes, ranker, part), sections["train"]
    stage.settle("train", section)
    paths = {name: Path(section[name]) for name in ("tables", "split", "pretrain", "align")}
    _current(paths, sections)
    world, valid = read(**paths, users=USERS)
    trial = Trial(world, valid, section["seed"], part)
    study = _study([[asdict(axis) for axis in axes], part, nodes.plain(ranker), section["seed"]], paths)
    if "now" not in study.user_attrs:
        study.set_user_attr("now", trial.score(ranker))
    tell(f"NDCG@10 on validation with the settings in force: {study.user_attrs['now']:.4f}")
    _loop(study, axes, trial, limits, tell)
    return _found(study, axes, part)


def compose(overrides: list[str]) -> tuple[dict[str, Any], Hybrid]:
    """Compose the sections with overrides on top of those in force, and build the ranker; raises ConfigError."""
    sections = configure.compose(overrides=[*configure.recorded(), *overrides])
    ranker = nodes.build(sections["train"]["ranker"], "ranker")
    if not isinstance(ranker, Hybrid):
        raise ConfigError(f"ranker: only a Hybrid can be searched, not {type(ranker).__name__}")
    return sections, ranker


def distribution(axis: Axis) -> BaseDistribution:
    """Give an axis as optuna takes it."""
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


@contextmanager
def within(seconds: float) -> Generator[None]:
    """End the block with OvertimeError when it takes longer; in the main thread."""

    def late(*_: object) -> None:
        raise OvertimeError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(min(seconds, 1e9), 1e-3), LOST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _loop(study: optuna.Study, axes: list[Axis], trial: Trial, limits: Limits, tell: Tell) -> None:
    until = time.monotonic() + limits.seconds
    while len(study.get_trials(deepcopy=False, states=ENDED)) < limits.trials and (left := until - time.monotonic()) > 0:
        asked = _ask(study, axes, trial.seed)
        overrides = [axis.override(asked.params[axis.key]) for axis in axes]
        began, value, state, said = time.monotonic(), None, TrialState.COMPLETE, ""
        try:
            with within(min(limits.each, left)):
                value = trial.score(compose(overrides)[1])
        except OvertimeError:
            state, said = TrialState.PRUNED, "stopped: out of time"
        except DataError as error:
            state, said = TrialState.FAIL, str(error)
        seconds = round(time.monotonic() - began, 2)
        study.set_user_attr(f"trial {asked.number}", {"seconds": seconds, "said": said})
        study.tell(asked.number, value, state=state)
        tell(f"trial {asked.number + 1} of {limits.trials}: {said or f'{value:.4f}'}, {seconds:g} s, {' '.join(overrides)}")


def _ask(study: optuna.Study, axes: list[Axis], seed: int) -> FrozenTrial:
    """Give the trial that a killed search was at, else draw a new one, which is written down at once with all its settings."""
    if left := study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        return left[0]
    wanted, trials = {axis.key: distribution(axis) for axis in axes}, study.get_trials(deepcopy=False)
    sampler = optuna.samplers.TPESampler(seed=seed * 1_000_003 + len(trials), n_startup_trials=RANDOM, multivariate=True)
    aside = optuna.create_study(direction="maximize", sampler=sampler)
    aside.add_trials(trials)
    drawn = aside.ask(wanted).params
    study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING, params=drawn, distributions=wanted))
    return study.get_trials(deepcopy=False)[len(trials)]


def _study(what: list[Any], paths: dict[str, Path]) -> optuna.Study:
    """Open the study of this very search: the same space, settings, artefacts and code."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    inputs = [paths["tables"] / "items.parquet", *(paths["split"] / f"{name}.parquet" for name in ("train", "valid"))]
    hashed = artifacts.fingerprint(*inputs, paths["pretrain"], paths["align"], USERS, *CODE)
    name = hashlib.sha256(json.dumps([what, hashed], sort_keys=True).encode()).hexdigest()[:16]
    DATABASE.parent.mkdir(exist_ok=True)
    return optuna.create_study(storage=f"sqlite:///{DATABASE}", study_name=name, direction="maximize", load_if_exists=True)


def _found(study: optuna.Study, axes: list[Axis], part: str | None) -> Found:
    trials = study.get_trials(deepcopy=False, states=ENDED)
    rows = [_row(trial, axes, study.user_attrs.get(f"trial {trial.number}", {})) for trial in trials]
    good = [row for row in rows if row["state"] == "complete"]
    if not good:
        said = next((row["said"] for row in rows if row["said"]), "there was no time for one")
        raise DataError(f"search: no trial ended well ({said}); widen the space, or allow more with --minutes and --timeout")
    best = max(good, key=lambda row: row["value"])
    keys = {axis.key.removeprefix("+") for axis in axes}
    kept = [line for line in configure.recorded() if line.partition("=")[0].removeprefix("+") not in keys]
    return Found(part, study.user_attrs["now"], best["value"], [*kept, *best["overrides"]], rows, _importance(study, good))


def _row(trial: FrozenTrial, axes: list[Axis], about: dict[str, Any]) -> dict[str, Any]:
    overrides = [axis.override(trial.params[axis.key]) for axis in axes if axis.key in trial.params]
    return {
        "number": trial.number + 1,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "overrides": overrides,
        "seconds": about.get("seconds"),
        "said": about.get("said", ""),
    }


def _importance(study: optuna.Study, good: list[dict[str, Any]]) -> dict[str, float]:
    """The share of each key by PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023)."""
    if len({row["value"] for row in good}) < 2:
        return {}
    found = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    return {name: float(share) for name, share in found.items()}


def _current(paths: dict[str, Path], sections: dict[str, Any]) -> None:
    """Check that the artefacts are there, and made by the settings in force."""
    for path in [*paths.values(), USERS]:
        if not path.exists():
            raise DataError(f"{path}: not there; run `zhijian retrain` first: a search takes what the earlier stages made")
    locked = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"] if LOCK.exists() else {}
    for name in EARLIER:
        if locked.get(name, {}).get("params", {}).get(str(stage.PARAMS), {}).get(name) != sections[name]:
            raise DataError(f"{name}: its settings are not those of the last run; run `zhijian retrain` first")
