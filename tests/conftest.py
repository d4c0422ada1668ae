"""What several folders of tests need: a made-up world on which the real stages have run."""

from pathlib import Path

import pytest

from components.configure import STAGES
from tests import world


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which every stage up to `bundle` has run."""
    root = world.checkout(tmp_path_factory.mktemp("project"))
    world.write_tables(root / "raw")
    world.override(root, *world.SMALL, "dataset.root=raw", "dataset.time=s")
    world.stage(root, "components.configure")
    for name in list(STAGES)[: list(STAGES).index("bundle") + 1]:
        world.stage(root, STAGES[name])
    return root


@pytest.fixture(scope="session")
def bundle(project: Path) -> Path:
    return project / "artifacts" / "bundle"
