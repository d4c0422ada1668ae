import pytest
import yaml

from components.errors import ConfigError
from flows import plan
from tests.world import ROOT


@pytest.fixture
def conf(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()

    def write(**schedule) -> None:
        (tmp_path / "conf/config.yaml").write_text(yaml.safe_dump({"schedule": schedule}))

    return write


def test_the_plan_is_that_of_conf_and_what_is_given_takes_its_place(conf):
    conf(cron="0 4 * * *", timezone="Asia/Shanghai", promote=True, alert="webhook/ops")
    found = plan.read()
    assert (found.cron, found.timezone, found.interval, found.timeout, found.promote, found.alert) == (
        "0 4 * * *", "Asia/Shanghai", None, 3600, True, "webhook/ops",
    )  # fmt: skip
    found = plan.read(interval=60, timeout=5)
    assert (found.cron, found.interval, found.timeout, found.promote) == (None, 60, 5, True)


def test_without_a_plan_it_is_every_night(conf):
    conf()
    assert (plan.read().cron, plan.read().promote) == ("0 3 * * *", False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cron": "* * * * *", "interval": 5}, "schedule: .*give either a cron line or an interval"),
        ({"timezone": "UTC"}, "give either a cron line or an interval"),
        ({"cron": "* * * * *", "timeout": 0}, r"schedule\.timeout: .*greater than 0"),
        ({"cron": "* * * * *", "crno": 1}, r"schedule\.crno: "),
    ],
)
def test_a_wrong_plan_is_named(conf, given, message):
    conf(**given)
    with pytest.raises(ConfigError, match=message):
        plan.read()


@pytest.mark.parametrize("path", sorted((ROOT / "conf/schedule").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_plan_that_is_shipped_is_one(path):
    assert plan.Plan.model_validate(yaml.safe_load(path.read_text())).promote


def test_the_deployment_is_the_nightly_plan():
    deployed, watch = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    nightly = plan.Plan.model_validate(yaml.safe_load((ROOT / "conf/schedule/nightly.yaml").read_text()))
    [times] = deployed["schedules"]
    assert (times["cron"], times["timezone"]) == (nightly.cron, nightly.timezone)
    assert plan.Watch.model_validate(watch["parameters"]["watch"]) == nightly.watch
    planned = {"limit": nightly.timeout, "promote": nightly.promote, "alert": nightly.alert, "warm": nightly.warm}
    assert deployed["parameters"] == planned
