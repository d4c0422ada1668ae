"""Git's side of a promotion: a commit that holds what the bundle was made of, and GTO's tags on it."""

import os
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from components.errors import ZhijianError

NAME = "zhijian"
STAGE = "champion"
AUTHOR, MAIL = "zhijian", "zhijian@localhost"  # where git knows no name of the user
INPUTS = (  # of a run, new files included
    *("data/feedback", "data/warm", "conf", "components", "serving", "flows"),
    *("params.yaml", "dvc.yaml", "dvc.lock"),
)


class GitError(ZhijianError):
    """Git refused; the text is its own."""


def missing() -> str:
    """Say why no tag can be made here; nothing where one can."""
    if _git("rev-parse", "--is-inside-work-tree", check=False) != "true":
        return "no git repository here, so no tag was made: the pointer alone says who is champion"
    if not _git("rev-parse", "--verify", "--quiet", "HEAD", check=False):
        return "the git repository has no commit yet, so no tag was made: the pointer alone says who is champion"
    return ""


def snapshot(bundle: str) -> str:
    """Give the commit that holds the working tree as it is: HEAD, or where files differ a commit on top of it, on no branch.

    Neither branch, index nor working tree is touched. What is not tracked counts only where the pipeline reads it (`INPUTS`).
    """
    head = _git("rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="zhijian-") as folder:
        aside = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        _git("read-tree", "HEAD", environment=aside)
        _git("add", "--update", ".", environment=aside)
        if there := [name for name in INPUTS if Path(name).exists()]:
            _git("add", "--", *there, environment=aside)
        tree = _git("write-tree", environment=aside)
    if tree == _git("rev-parse", "HEAD^{tree}"):
        return head
    return _committed(tree, head, bundle)


def assign(bundle: str, commit: str) -> str:
    """Give the bundle a version, at the commit, where it has none, and the version the stage of champion; return the tag.

    Done again it does nothing, so that a promotion that was killed between pointer and tag is completed by the next.
    """
    from gto import api

    root, (name, mail, *_) = Path(_git("rev-parse", "--show-toplevel")), _identity().values()
    message = f"bundle {bundle}"
    if not (version := _version(bundle)):
        if _git("tag", "--points-at", commit, "--list", f"{NAME}@*"):  # GTO takes one version per commit
            commit = _git(
                "commit-tree", f"{commit}^{{tree}}", "-p", commit, "-m", f"What bundle {bundle} was made of", environment=_identity()
            )
        with _worded():
            api.register(root, NAME, commit, message=message, author=name, author_email=mail)
        version = _version(bundle)
    if _last().partition("|")[2] != message:
        number = version.rpartition("@")[2]
        with _worded():  # by force, since a version that was champion before may be so again
            api.assign(root, NAME, STAGE, version=number, message=message, force=True, author=name, author_email=mail)
    return _last().partition("|")[0]


def version(bundle: str) -> str:
    """The tag of a bundle's version, such as zhijian@v0.0.3; nothing where it has none."""
    return "" if missing() else _version(bundle)


def commit(tag: str) -> str:
    """The commit that a tag names."""
    return _git("rev-parse", f"{tag}^{{commit}}")


def _committed(tree: str, parent: str, bundle: str) -> str:
    return _git("commit-tree", tree, "-p", parent, "-m", f"What bundle {bundle} was made of", environment=_identity())


def _version(bundle: str) -> str:
    lines = _git("tag", "--list", f"{NAME}@*", "--format=%(refname:short)|%(contents:subject)").splitlines()
    return next((line.partition("|")[0] for line in lines if line.endswith(f"|bundle {bundle}")), "")


def _last() -> str:
    """The newest assignment, TAG|SUBJECT; the numbers count, since the times of tags are whole seconds."""
    lines = _git("tag", "--list", f"{NAME}#{STAGE}#*", "--format=%(refname:short)|%(contents:subject)").splitlines()
    return max(lines, key=lambda line: int(line.partition("|")[0].rpartition("#")[2]), default="")


@contextmanager
def _worded() -> Generator[None]:
    from gto.exceptions import GTOException

    try:
        yield
    except GTOException as error:
        raise GitError(f"GTO: {error}") from None


def _identity() -> dict[str, str]:
    name = _git("config", "user.name", check=False) or AUTHOR
    mail = _git("config", "user.email", check=False) or MAIL
    return {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", name), ("EMAIL", mail))}


def _git(*arguments: str, check: bool = True, environment: Mapping[str, str] | None = None) -> str:
    settings = os.environ | dict(environment or {})
    ended = subprocess.run(["git", *arguments], env=settings, capture_output=True, text=True, check=False)
    if ended.returncode and check:
        raise GitError(f"git {arguments[0]}: {(ended.stderr.strip() or f'status {ended.returncode}').splitlines()[-1]}")
    return ended.stdout.strip() if not ended.returncode else ""
