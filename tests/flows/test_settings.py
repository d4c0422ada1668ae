import os
import sys
from pathlib import Path

import pytest

from components.errors import ConfigError
from flows import settings


@pytest.fixture
def empty(monkeypatch):
    for name in [*settings.PLAIN, *settings.FOLDERS]:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/bin")


def test_root_is_found_upward(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "a/b").mkdir(parents=True)
    assert settings.root(tmp_path / "a/b") == tmp_path
    with pytest.raises(ConfigError, match=r"no dvc\.yaml"):
        settings.root(Path("/proc"))


def test_folders_exist_and_given_settings_stay(tmp_path, empty, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "mine"))
    settings.settle(tmp_path)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "mine")
    assert os.environ["BENTOML_HOME"] == str(tmp_path / ".state/bentoml")
    assert all(Path(os.environ[name]).is_dir() for name in settings.FOLDERS)


def test_this_python_comes_first_on_path_once(tmp_path, empty):
    settings.settle(tmp_path)
    settings.settle(tmp_path)
    assert os.environ["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
