"""Two bundles and new items, tried on users over a socket."""

import json
import time
from datetime import UTC, datetime

import pytest

from components import artifacts
from components.errors import ConfigError
from components.evaluation.offpolicy import judged
from components.recommend.experiment import Experiment
from flows import champions, trying
from serving.learning import exposures
from serving.store import Store
from tests.serving.conftest import serve
from tests.serving.test_live import champions as two_champions  # noqa: F401 - a fixture
from tests.serving.test_live import promote

USERS = [f"u{number:03d}" for number in range(40)]


def until(server, good):
    deadline = time.monotonic() + 60
    while not good(said := server.client.get("/models").json()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert good(said), said


def test_two_bundles_and_new_items_are_tried_logged_and_judged(bento, two_champions, tmp_path):  # noqa: F811
    folder, first, second = two_champions
    promote(folder, first, 1)
    (folder / second / champions.LINEAGE).write_text("{}")
    tried = trying.begin({"share": 0.5, "slots": 0.1, "fewer": 10**6}, second[:12], folder)
    assert tried == Experiment(challenger=f"{second}/bundle", share=0.5, slots=0.1, fewer=10**6)
    log = tmp_path / "log.sqlite"
    with serve(bento, tmp_path, ZHIJIAN_CHAMPION=str(folder / "champion.json"), ZHIJIAN_FEEDBACK=f"sqlite:///{log}") as server:
        arms = {user: answered(server, user, tried, (first, second)) for user in USERS}
        assert set(arms.values()) == {"champion", "challenger"}
        assert server.post("/users/erase", user_id=USERS[0]).status_code == 200
        said = server.client.get("/metrics").text
        assert 'zhijian_arms_total{arm="challenger"}' in said
        assert "zhijian_explored_total 40.0" in said
        (folder / "experiment.yaml").write_text("share: 7")
        until(server, lambda models: models["wrong"] is not None)
        assert server.client.get("/models").json()["experiment"]["challenger"]["bundle"] == second
        trying.end(folder)
        until(server, lambda models: models["experiment"] is None)
        assert {server.post("/recommend", user_id=user).json()["bundle"] for user in USERS} == {first}
    found = exposures(Store.open(f"sqlite:///{log}"))
    assert found["user_id"].n_unique() == len(USERS) - 1
    assert (found["new"].sum(), found["taken"].sum()) == (39, 39)
    about = judged(found)
    assert about["policies"]["new items alone"]["snips"]["value"] == 1
    assert about["policies"]["ranking alone"]["snips"]["value"] == 0


def answered(server, user, tried, bundles):
    """Ask for a user, tell that all was shown and that the new item was taken, and give the arm."""
    answer = server.post("/recommend", user_id=user)
    body, request = answer.json(), answer.headers["x-request-id"]
    assert body["arm"] == tried.arm(user) == answer.headers["x-arm"]
    assert body["bundle"] == bundles[body["arm"] == "challenger"] == answer.headers["x-bundle"]
    assert server.post("/explain", user_id=user, item_id="i001").json()["bundle"] == body["bundle"]
    rank = body["explored"]
    assert body["propensities"][rank - 1] < 0.02
    assert set(body["propensities"][: rank - 1] + body["propensities"][rank:]) == {0.9}
    events = [{"user_id": user, "item_id": item["item_id"], "event": "impression", "request": request} for item in body["items"]]
    events.append(events[rank - 1] | {"event": "click"})
    assert server.post("/feedback", events=events).status_code == 200
    return body["arm"]


def test_what_is_not_given_stays_as_it_was_and_what_is_wrong_changes_nothing(tmp_path):
    store = tmp_path / "champions"
    store.mkdir()
    assert trying.begin({"slots": 0.02}, store=store) == Experiment(slots=0.02)
    assert trying.begin({"fewer": 5}, store=store) == Experiment(slots=0.02, fewer=5)
    for wrong in ({"slots": 2.0}, {"slots": 0.0}):
        with pytest.raises(ConfigError):
            trying.begin(wrong, store=store)
    with pytest.raises(ConfigError, match="no bundle of"):
        trying.begin({}, "abc", store)
    assert Experiment.read(trying.file(store)) == Experiment(slots=0.02, fewer=5)
    assert [path.name for path in store.iterdir()] == ["experiment.yaml"]
    trying.end(store)
    with pytest.raises(ConfigError, match="no experiment"):
        trying.end(store)


def test_pruning_keeps_the_challenger_of_an_experiment(tmp_path):
    store = tmp_path / "champions"
    for number, name in enumerate("abcdefgh", 1):
        (store / name / "bundle").mkdir(parents=True)
        record = {"bundle": name, "folder": f"{name}/bundle", "since": datetime.now(UTC).isoformat(), "previous": None, "number": number}
        artifacts.write_json(store / "history" / f"{number:06d}.json", record)
        artifacts.write_json(store / "champion.json", record)
    (store / "experiment.yaml").write_text(json.dumps({"challenger": "a/bundle"}))
    assert champions.prune(store) == ["b", "c"]
