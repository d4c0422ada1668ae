"""What several folders of tests need: a made-up world on which the real stages have run."""

from pathlib import Path

import pytest

from components.configure import STAGES
from tests import world


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the two processes, one runs all that needs the made-up world, so that it is made once; the rest goes by file."""
    for item in items:
        made = "bundle" in getattr(item, "fixturenames", ()) or "bento" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("world" if made else str(item.path)))


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
