import json
import os
import shutil
import subprocess

import pytest
import yaml

from components import artifacts
from components.errors import BundleError, ConfigError
from flows import champions, lineage, promote, tags
from flows.promote import RefusedError

NAMES = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
FLOOR = {"promotion": {"floor": {"_target_": "components.evaluation.criteria.floor.Floor", "metric": "NDCG@10", "bound": 0.1}}}


def git(project, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=project.root, env=os.environ | NAMES, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def judged(project):
    """A project whose last run made a bundle that passed the gate."""

    def run(text: str, *, passed: bool = True, ndcg: float = 0.2) -> str:
        bundle = project.root / "artifacts" / "bundle"
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "weights").write_text(text)
        identity = artifacts.seal(bundle, {"made": text})
        rows = [{"name": "floor", "value": ndcg, "bound": 0.1, "passed": passed, "reason": "as it is"}]
        project.write("reports/gate.json", json.dumps({"passed": passed, "bundle": identity, "criteria": rows}))
        means = {"hybrid": {"NDCG@10": {"mean": ndcg, "low": ndcg, "high": ndcg}}}
        project.write("reports/metrics.json", json.dumps({"bundle": identity, "models": means, "data": {"items": 3}}))
        return identity

    project.write("conf/config.yaml", yaml.safe_dump(FLOOR))
    project.write(
        "dvc.lock",
        yaml.safe_dump(
            {"schema": "2.0", "stages": {"first": {"cmd": "cp in.txt first.txt", "deps": [{"path": "in.txt", "md5": "abc"}], "outs": []}}}
        ),
    )
    project.write(".gitignore", ".state/\nartifacts/\nreports/\nchampions/\n")
    return run


def pointer(project) -> dict:
    return json.loads((project.root / "champions" / "champion.json").read_text())


def test_the_whole_of_it_by_the_command_line_with_tags_of_git(project, judged):
    first = judged("one")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "start")
    head = git(project, "rev-parse", "HEAD")
    done = project.run("promote")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(f"champion 1: bundle {first}, promoted at ")
    assert done.stdout.splitlines()[1] == "git tag zhijian#champion#1"
    assert git(project, "rev-parse", "zhijian@v0.0.1^{commit}") == head

    second = judged("two")
    project.write("in.txt", "two\n")
    status = git(project, "status", "--porcelain")
    done = project.run("promote")
    assert done.returncode == 0, done.stderr
    assert pointer(project) | {"since": ""} == {
        "bundle": second,
        "folder": f"{second}/bundle",
        "since": "",
        "previous": first,
        "number": 2,
        "how": "promoted",
    }
    assert git(project, "show", "zhijian@v0.0.2:in.txt") == "two", "the tag's commit holds what was not committed"
    assert git(project, "rev-parse", "zhijian@v0.0.2~1") == head
    assert git(project, "rev-parse", "HEAD") == head
    assert git(project, "status", "--porcelain") == status, "neither branch, index nor files were touched"

    back = project.run("rollback")
    assert back.returncode == 0, back.stderr
    assert pointer(project)["bundle"] == first
    assert git(project, "rev-parse", "zhijian#champion#3^{commit}") == head
    shown = project.run("history", COLUMNS="100").stdout
    assert [line.split()[0] for line in shown.splitlines() if line.strip()[:1].isdigit()] == ["1", "2", "3"]
    assert "rolled back" in shown
    told = project.run("lineage", second[:5], COLUMNS="80")
    assert told.returncode == 0, told.stderr
    for word in (second, "zhijian@v0.0.2", "md5 abc", "as it is", "items 3"):
        assert word in told.stdout
    assert json.loads(project.run("lineage", second, "--json").stdout)["commit"] == git(project, "rev-parse", "zhijian@v0.0.2^{commit}")
    last = project.run("rollback")
    assert (last.returncode, last.stderr) == (
        2,
        "there is no champion before this one to go back to; `zhijian history` shows all there were\n",
    )


def test_refused_by_the_gate_nothing_is_promoted(project, judged):
    judged("one", passed=False)
    done = project.run("promote")
    assert (done.returncode, done.stderr) == (3, "refused by the gate: as it is\n")
    assert not (project.root / "champions").exists()


def test_refused_by_a_criterion_of_promotion_the_champion_stays(inside, judged):
    first = judged("one")
    promote.promote()
    judged("two", ndcg=0.05)
    with pytest.raises(RefusedError, match=r"not promoted: NDCG@10 is 0\.0500, below the floor of 0\.1000"):
        promote.promote()
    assert pointer(inside)["bundle"] == first
    with pytest.raises(ConfigError, match="--without: no criterion roof in conf/promotion; there are: floor"):
        promote.promote(without=["roof"])
    done = promote.promote(without=["floor"])
    kept = json.loads((champions.STORE / done.champion.bundle / "promotion.json").read_text())
    assert (kept["passed"], kept["without"]) == (True, ["floor"])


def test_a_verdict_on_another_bundle_promotes_nothing(inside, judged):
    judged("one")
    (inside.root / "artifacts/bundle/weights").write_text("two")
    artifacts.seal(inside.root / "artifacts/bundle", {"made": "two"})
    with pytest.raises(BundleError, match=r"gate\.json: judges bundle"):
        promote.promote()
    (inside.root / "artifacts/bundle/weights").write_text("three")
    with pytest.raises(BundleError, match="does not match its manifest: weights"):
        promote.promote()
    assert champions.current() is None


def test_without_git_it_says_so_and_goes_on(inside, judged):
    judged("one")
    assert "no commit yet, so no tag was made" in promote.promote().said
    shutil.rmtree(inside.root / ".git")
    judged("two")
    done = promote.promote()
    assert (done.champion.number, done.tag) == (2, "")
    assert "no git repository here, so no tag was made" in done.said
    assert "no git repository" in promote.rollback().said
    assert lineage.read(done.champion.bundle)["commit"] is None


def test_killed_between_pointer_and_tag_the_next_promotion_makes_the_tag(inside, judged, monkeypatch):
    first = judged("one")
    git(inside, "add", "-A")
    git(inside, "commit", "-qm", "start")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tags, "assign", killed)
        promote.promote()
    assert pointer(inside)["bundle"] == first
    assert tags.version(first) == ""
    done = promote.promote()
    assert (done.champion.number, done.tag) == (1, "zhijian#champion#1")
    assert promote.promote().tag == "zhijian#champion#1", "done again it does nothing"
    assert git(inside, "tag", "--list").splitlines() == ["zhijian#champion#1", "zhijian@v0.0.1"]


def test_two_bundles_of_one_commit_have_a_version_each(inside, judged):
    first = judged("one")
    git(inside, "add", "-A")
    git(inside, "commit", "-qm", "start")
    promote.promote()
    second = judged("two")
    promote.promote()
    assert {tags.version(first), tags.version(second)} == {"zhijian@v0.0.1", "zhijian@v0.0.2"}
    assert git(inside, "diff", "zhijian@v0.0.1", "zhijian@v0.0.2") == ""


def test_git_s_refusal_does_not_undo_a_rollback(inside, judged, monkeypatch):
    first = judged("one")
    git(inside, "add", "-A")
    git(inside, "commit", "-qm", "start")
    promote.promote()
    judged("two")
    promote.promote()
    monkeypatch.setattr(tags, "_last", lambda: (_ for _ in ()).throw(tags.GitError("git tag: no space left")))
    done = promote.rollback(first[:8])
    assert pointer(inside)["bundle"] == first
    assert done.said == "the pointer was moved, but no tag was made: git tag: no space left"
    with pytest.raises(ConfigError, match=f"{first} is the champion already"):
        promote.rollback(first)


def test_lineage_of_the_last_run_before_it_is_promoted(inside, judged):
    first = judged("one")
    found = lineage.read(first[:4])
    assert (found["data"], found["tag"], found["promoted"]) == ({"in.txt": "abc"}, "", [])
    with pytest.raises(ConfigError, match="'zzz': no bundle of champions begins so; there are: none"):
        lineage.read("zzz")


def test_retrain_promotes_on_a_pass_and_only_then(served, judged):
    judged("one")
    bundle = json.loads((served.root / "reports/gate.json").read_text())["bundle"]
    for passed, status in ((True, 0), (False, 3)):
        verdict = {
            "passed": passed,
            "bundle": bundle,
            "criteria": [{"name": "f", "value": 1.0, "bound": 0.5, "passed": passed, "reason": "low"}],
        }
        served.write("verdict.json", json.dumps(verdict))
        done = served.run("retrain", "--promote")
        assert done.returncode == status, done.stderr
        assert ("champion 1: bundle" in done.stdout) == passed
        assert pointer(served)["number"] == 1
