"""What a Bento refuses to start with."""

import shutil
import subprocess
import sys

import pytest

from tests.serving.conftest import free_port, settings, started


def start(bento, folder, **environment):
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--port", str(free_port())]
    return subprocess.run(command, cwd=folder, env=settings(folder, environment), capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copy")


def test_one_corrupt_byte_is_refused_by_name(bento, copy, tmp_path):
    path = copy / "vectors.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ended = start(bento, tmp_path, ZHIJIAN_BUNDLE=str(copy))
    said = [line for line in ended.stderr.splitlines() if line.startswith("serving:")]
    assert ended.returncode != 0
    assert len(said) == 1
    assert "vectors.safetensors" in said[0]
    assert "Traceback" not in ended.stderr + ended.stdout


def test_the_carried_bundle_is_checked_too(bento, tmp_path):
    torn = shutil.copytree(bento, tmp_path / "bento")
    (torn / "src/bundle/ranker.json").unlink()
    ended = start(torn, tmp_path)
    assert ended.returncode != 0
    assert "ranker.json" in ended.stderr


def test_no_bundle_is_refused(bento, tmp_path):
    ended = start(bento, tmp_path, ZHIJIAN_BUNDLE=str(tmp_path / "nowhere"))
    assert ended.returncode != 0
    assert "no manifest.json" in ended.stderr


def test_the_project_s_own_command_serves_its_bento(bento, project, tmp_path):
    command = [sys.executable, "-c", "from flows.cli import app; app()", "serve"]
    with started(command, project, tmp_path / "server.log") as server:
        assert server.post("/recommend", user_id="u000").json()["source"] == "hybrid"
