"""Configuration: composed, checked by name before anything runs, recorded whole or not at all."""

import shutil
from pathlib import Path

import pytest
import yaml

from components import nodes, stage
from components.configure import compose, record, recorded
from components.errors import ConfigError
from components.ranking.linear import ItemLinear

ROOT = Path(__file__).parents[1]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    return tmp_path / "conf"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("dataset=nothing", "nothing"),
        ("datset=movielens", "datset"),
        ("ranker.dim=3", "dim"),
        ("+train.extra=1", "extra"),
        ("+ranker.parts.item.l3=1", "l3"),
        ("~ranker.parts.attention.sequence.plan.epochs", "epochs"),
        ("dataset=tables", "dataset.root"),
        ("+bundle.more.deep=1", "more"),
    ],
)
def test_a_wrong_override_is_refused_by_name(conf: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose(conf, [override])
    assert said in str(error.value)


def test_a_typo_in_a_yaml_is_refused_with_the_keys_that_there_are(conf: Path) -> None:
    edit(conf / "ranker" / "hybrid.yaml", "    session: 0.3", "    sesion: 0.3")
    with pytest.raises(ConfigError, match=r"train\.ranker\.parts\.sequential: unknown key sesion .* session"):
        compose(conf, [])


@pytest.mark.parametrize(
    "target", ["os.system", "builtins.eval", "components.ranking.linear.NoSuch", "components.no.Such", "subprocess.Popen"]
)
def test_a_target_outside_the_allow_list_is_refused(conf: Path, target: str) -> None:
    edit(conf / "ranker" / "hybrid.yaml", "components.ranking.linear.ItemLinear", target)
    with pytest.raises(ConfigError, match=r"train\.ranker\.parts\.item\._target_"):
        compose(conf, [])


def test_the_environment_is_not_read_into_the_configuration(conf: Path) -> None:
    edit(conf / "config.yaml", "seed: 17", "seed: ${oc.env:SECRET}")
    with pytest.raises(ConfigError, match=r"config\.yaml: \$\{oc\.env"):
        compose(conf, [])


def test_overrides_are_recorded_and_in_force(conf: Path) -> None:
    record(["ranker.parts.item.l2=7.5"], conf / "overrides.yaml")
    assert recorded(conf / "overrides.yaml") == ["ranker.parts.item.l2=7.5"]
    assert compose(conf)["train"]["ranker"]["parts"]["item"]["l2"] == 7.5


def test_what_does_not_compose_is_not_recorded(conf: Path) -> None:
    before = (conf / "overrides.yaml").read_text()
    with pytest.raises(ConfigError):
        record(["no.such=1"], conf / "overrides.yaml")
    assert (conf / "overrides.yaml").read_text() == before


def test_a_file_of_overrides_must_be_a_list(conf: Path) -> None:
    (conf / "overrides.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigError, match=r"overrides\.yaml: must be a list"):
        recorded(conf / "overrides.yaml")


def test_a_part_can_be_switched_off(conf: Path) -> None:
    parts = compose(conf, ["~ranker.parts.attention"])["train"]["ranker"]["parts"]
    assert set(compose(conf)["train"]["ranker"]["parts"]) - set(parts) == {"attention"}


@pytest.mark.parametrize(
    ("key", "value", "said"), [("l2", "much", "l2"), ("l2", -1.0, "greater than 0"), ("keep", 0, "keep"), ("keep", 1.5, "keep")]
)
def test_a_wrong_value_is_refused_by_name(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"train\.item\.{key}: .*") as error:
        nodes.build({"_target_": "components.ranking.linear.ItemLinear", key: value}, "train.item")
    assert said in str(error.value)
    assert repr(value) in str(error.value)


def test_nodes_go_to_plain_data_and_back() -> None:
    part = ItemLinear(l2=3.0, keep=5)
    again = nodes.build(nodes.plain({"parts": [part]}), "x")
    assert again == {"parts": [part]}


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, section: dict) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"test_configure": section}))
    stage.run(main)


def main(*, part: ItemLinear, out: Path, seed: int) -> None:
    out.write_text(f"{part.l2} {seed}")


def test_a_stage_gets_its_section(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = {"_target_": "components.ranking.linear.ItemLinear", "l2": 2.0}
    run(monkeypatch, tmp_path, {"part": part, "out": "out.txt", "seed": 5, "threads": 1})
    assert (tmp_path / "out.txt").read_text() == "2.0 5"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"part": 3}, "part"), ({"seed": "x"}, "seed"), ({"more": 1}, "more"), ({"out": None}, "out")],
)
def test_a_stage_refuses_a_wrong_section_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict, said: str
) -> None:
    part = {"_target_": "components.ranking.linear.ItemLinear"}
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, tmp_path, {"part": part, "out": "out.txt", "seed": 5} | change)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"test_configure: test_configure.{said}: ")


def test_a_stage_without_params_says_how_to_write_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        stage.run(main)
    assert "python -m components.configure" in capsys.readouterr().err
