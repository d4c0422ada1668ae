"""Promotion and rollback: model, index, graph and rules together, and one atomic pointer that says which."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import artifacts, configure, nodes
from components.errors import BundleError, ConfigError, ZhijianError
from flows import champions, lineage, report, stages, tags
from flows.champions import Champion
from flows.settings import BUNDLE


class RefusedError(ZhijianError):
    """A bundle may not become champion; the text has every reason."""


@dataclass(frozen=True)
class Switch:
    """A switch that was made: the champion, the git tag that says so, and what a person should know of it."""

    champion: Champion
    tag: str
    said: str = ""


def promote(bundle: Path = BUNDLE, without: Sequence[str] = ()) -> Switch:
    """Judge the last run's bundle beside the champion and make it champion.

    Of the one that is champion already, what a killed promotion left undone is completed.

    Args:
        without: criteria of conf/promotion to leave out; they are named in the verdict that is kept.

    Raises:
        RefusedError: the gate or a criterion of conf/promotion did not pass it.
        BundleError: the bundle does not match its manifest.
        BusyError: a retraining, a promotion or a rollback is under way.
    """
    with stages.alone(), champions.switching():
        identity: str = artifacts.verify(bundle)["id"]
        _passed(identity)
        now = champions.current()
        if now is None or now.bundle != identity:
            judge(without)
        said, commit = _commit(identity)
        champions.lay_in(bundle, lineage.papers(), lineage.gather(identity, commit or None))
        champion = now if now and now.bundle == identity else champions.switch(identity, "promoted")
        champions.prune()
        return Switch(champion, *(_tagged(identity) if commit else ("", said)))


def judge(without: Sequence[str] = ()) -> dict[str, Any]:
    """Judge the last run's bundle by conf/promotion: write reports/promotion.json, outside the graph; raises RefusedError."""
    criteria = nodes.build(configure.whole().get("promotion") or {}, "promotion")
    if unknown := sorted(set(without) - set(criteria)):
        raise ConfigError(f"--without: no criterion {', '.join(unknown)} in conf/promotion; there are: {', '.join(criteria)}")
    chosen = {name: criterion for name, criterion in criteria.items() if name not in without}
    from components.evaluation.criteria.verdict import Evidence
    from components.evaluation.gate import decide

    evidence = Evidence(artifacts.read_json(report.METRICS), BUNDLE, champion=champions.papers())
    nothing = {"passed": True, "bundle": evidence.metrics.get("bundle"), "criteria": []}
    verdict = (decide(chosen, evidence) if chosen else nothing) | {"without": sorted(without)}
    artifacts.write_json(report.PROMOTION, verdict)
    _passed(str(verdict["bundle"]), report.PROMOTION, "not promoted")
    return verdict


def rollback(to: str | None = None) -> Switch:
    """Make the champion before this one champion again, or the one of the store whose id begins so.

    Raises:
        ConfigError: there is none.
        BundleError: its folder is no longer as it was promoted; the present champion stays.
        BusyError: a promotion or another rollback is under way.
    """
    with champions.switching():
        identity = champions.find(to) if to else _before()
        now = champions.current()
        if now and now.bundle == identity:
            raise ConfigError(f"{identity} is the champion already; nothing was changed")
        champion = champions.switch(identity, "rolled back")
        return Switch(champion, *_tagged(identity))


def _commit(identity: str) -> tuple[str, str]:
    """Why there is no commit of what the bundle was made of, or the commit."""
    if said := tags.missing():
        return said, ""
    try:
        return "", tags.snapshot(identity)
    except tags.GitError as error:
        return f"no tag was made: {error}", ""


def _tagged(identity: str) -> tuple[str, str]:
    """Put the tag where the pointer is; what git says against it does not undo the switch."""
    if said := tags.missing():
        return "", said
    try:
        made_of = artifacts.read_json(champions.STORE / identity / champions.LINEAGE)["commit"]
        return tags.assign(identity, made_of or tags.snapshot(identity)), ""
    except ZhijianError as error:
        return "", f"the pointer was moved, but no tag was made: {error}"


def _before() -> str:
    back = champions.line(champions.history())
    if len(back) < 2:
        raise ConfigError("there is no champion before this one to go back to; `zhijian history` shows all there were")
    return back[-2]


def _passed(identity: str, path: Path = report.GATE, what: str = "refused by the gate") -> None:
    found = report.verdict(path)
    if found.bundle != identity:
        raise BundleError(f"{path}: judges bundle {found.bundle}, not {identity}; judge this one with `zhijian retrain`")
    if not found.passed:
        raise RefusedError(f"{what}: " + "; ".join(row["reason"] for row in found.rows if row["verdict"] == "refused"))
