"""What several folders of tests need: a made-up world on which the real stages have run."""

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import world

NEEDING = ("browser", "dialogue", "generation/test_redteam", "operations", "recommend", "serving", "test_security")
WORLD = tuple(f"tests/{name}" for name in NEEDING)


class Halves(LoadScopeScheduling):
    """Of the two processes, one runs all that needs the made-up world, so that it is made once; the rest goes by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "world" if file.startswith(WORLD) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Halves:
    """How tests are shared out."""
    return Halves(config, log)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which every stage up to `bundle` has run."""
    root = world.checkout(tmp_path_factory.mktemp("project"))
    world.write_tables(root / "raw")
    world.override(root, *world.SMALL, "dataset.root=raw", "dataset.time=s")
    world.make(root, "bundle")
    return root


@pytest.fixture(scope="session")
def bundle(project: Path) -> Path:
    return project / "artifacts" / "bundle"
