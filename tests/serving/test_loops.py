"""A service that people run: restarted, with several workers, without its event log, and with bundles swapped under load."""

import asyncio
import json
import shutil
import time
from datetime import UTC, datetime

import httpx
import sqlalchemy as sa

from components import artifacts
from serving.keys import create
from serving.store import Store
from serving.tables import EVENTS
from tests.serving.conftest import serve

EVENT = {"user_id": "new", "item_id": "i001", "event": "like", "key": "k"}


def kept(url):
    store = Store.open(url)
    found = {row[0] for row in store.read(sa.select(EVENTS.c.key))}
    store.close()
    return found


def until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_was_told_is_there_after_a_restart(bento, tmp_path):
    with serve(bento, tmp_path) as first:
        assert first.post("/feedback", events=[EVENT]).json() == {"stored": 1, "repeated": 0}
        before = first.post("/recommend", user_id="new").json()
    assert (tmp_path / ".state/feedback.sqlite").is_file()
    with serve(bento, tmp_path) as second:
        assert second.post("/recommend", user_id="new").json() == before
        assert before["source"] == "hybrid"
        assert second.post("/feedback", events=[EVENT]).json() == {"stored": 0, "repeated": 1}


def test_recommendations_go_on_without_the_event_log(bento, tmp_path):
    with serve(bento, tmp_path) as server:
        assert server.post("/feedback", events=[EVENT]).status_code == 200
        (tmp_path / ".state").rename(tmp_path / "away")
        for n in range(5):
            answer = server.post("/feedback", events=[EVENT | {"key": str(n)}])
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert set(answer.json()) == {"error", "field"}
            assert str(tmp_path) not in answer.text
            assert server.post("/recommend", user_id="new").json()["source"] == "popularity"
        assert server.post("/users/erase", user_id="new").status_code == 503
        assert server.client.get("/readyz").json()["feedback"] is False
        assert 'zhijian_fallbacks_total{without="session"}' in server.client.get("/metrics").text
        (tmp_path / "away").rename(tmp_path / ".state")
        until(lambda: server.post("/recommend", user_id="new").json()["source"] == "hybrid")
        assert server.post("/feedback", events=[EVENT | {"key": "0"}]).json() == {"stored": 1, "repeated": 0}
    assert kept(f"sqlite:///{tmp_path / '.state/feedback.sqlite'}") == {"k", "0"}


def test_a_service_starts_without_its_database_and_takes_it_when_it_comes(bento, cluster, tmp_path):
    cluster.stop()
    with serve(bento, tmp_path, ZHIJIAN_FEEDBACK=cluster.url) as server:
        assert server.post("/recommend", user_id="new").json()["source"] == "popularity"
        assert server.post("/feedback", events=[EVENT]).status_code == 503
        cluster.start()
        assert server.post("/feedback", events=[EVENT]).json() == {"stored": 1, "repeated": 0}
        until(lambda: server.post("/recommend", user_id="new").json()["source"] == "hybrid")
    assert kept(cluster.url) == {"k"}


def test_with_keys_each_needs_its_scope(bento, tmp_path):
    file = tmp_path / "keys.json"
    keys = {scope: {"authorization": f"Bearer {create(file, [scope])}"} for scope in ("read", "feedback", "items", "admin")}
    with serve(bento, tmp_path, ZHIJIAN_KEYS=str(file)) as server:

        def said(path, body, key):
            return server.client.post(path, json=body, headers=keys.get(key, {})).status_code

        asks = {"/recommend": {"user_id": "u001"}, "/feedback": {"events": [EVENT]}, "/users/erase": {"user_id": "new"}}
        asks["/items"] = {"items": [{"item_id": "i001", "hidden": False}]}
        assert {(path, key): said(path, body, key) for path, body in asks.items() for key in (*keys, None)} == {
            (path, key): 401 if key is None else 200 if (path, key) in good else 403
            for good in [{("/recommend", "read"), ("/feedback", "feedback"), ("/items", "items"), ("/users/erase", "admin")}]
            for path in asks
            for key in (*keys, None)
        }
        answered = {path: server.client.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/", "/docs.json", "/models")}
        assert list(answered.values()) == [200] * 4 + [401] * 2, answered
        text = server.log.read_text()
    assert "no keys are configured" not in text
    assert not [key for key in keys.values() if key["authorization"].split("_", 2)[2] in text]


def test_ten_bundles_are_swapped_under_load_without_a_failed_or_mixed_answer(bento, bundle, tmp_path):
    champions = tmp_path / "champions"
    names = [_champion(bundle, champions, about) for about in ("one", "two")]
    _promote(champions, names[0], 1)
    with serve(bento, tmp_path) as server:
        expected = {}
        loop = asyncio.run(_swapped(str(server.client.base_url), champions, names, expected))
        last = server.client.get("/models").json()
    answers, swaps = loop
    assert {status for status, _, _ in answers} == {200}
    assert not [1 for _, named, items in answers if expected[named] != items]
    assert {named for _, named, _ in answers} == set(names)
    assert swaps == 10
    assert (last["served"]["number"], last["refused"]) == (11, None)
    assert "Traceback" not in server.log.read_text()


async def _swapped(address, champions, names, expected, count=10):
    """Ask without a pause while champions change; a change is made when the one before is in force."""
    answers, done = [], asyncio.Event()
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:

        async def ask():
            while not done.is_set():
                said = await client.post("/recommend", json={"user_id": "u001"})
                body = said.json()
                answers.append((said.status_code, body.get("bundle"), [item["item_id"] for item in body.get("items", [])]))

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for number in range(1, count + 2):
            if number > 1:
                _promote(champions, names[(number - 1) % 2], number, names[number % 2])
            while (await client.get("/models")).json()["served"]["number"] != number:
                await asyncio.sleep(0.02)
            said = (await client.post("/recommend", json={"user_id": "u001"})).json()
            expected.setdefault(said["bundle"], [item["item_id"] for item in said["items"]])
        done.set()
        await asyncio.gather(*asking)
    return answers, number - 1


def _champion(bundle, champions, about):
    """A champion whose answers are its own: the rules of the second close every other item."""
    made = shutil.copytree(bundle, champions / "made")
    if about == "two":
        policy = json.loads((made / "policy.json").read_text())
        items = artifacts.read_table(made / "items.parquet")["item_id"].to_list()[::2]
        policy["rules"] = [{"_target_": "components.recommend.rules.Stock", "name": "half", "items": items}]
        (made / "policy.json").write_text(json.dumps(policy))
    name = artifacts.seal(made, {"made": about})
    (champions / name).mkdir()
    made.rename(champions / name / "bundle")
    return name


def _promote(champions, name, number, previous=None):
    since = datetime.now(UTC).isoformat()
    artifacts.write_json(
        champions / "champion.json", {"bundle": name, "folder": f"{name}/bundle", "since": since, "previous": previous, "number": number}
    )


def test_traces_are_lines_that_go_on_the_callers_trace(bento, tmp_path):
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with serve(bento, tmp_path, ZHIJIAN_TRACES="lines") as server:
        said = server.client.post("/recommend", json={"user_id": "u001"}, headers={"traceparent": caller, "x-request-id": "traced"})
        assert said.status_code == 200
        until(lambda: '"traced"' in server.log.read_text() and "POST /recommend" in server.log.read_text())
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith('{"name"')]
    spans = {line["name"]: line for line in lines if line["context"]["trace_id"] == "0x0af7651916cd43dd8448eb211c80319c"}
    assert {"POST /recommend", "session", "rank", "write"} <= spans.keys()
    assert spans["POST /recommend"]["parent_id"] == "0xb7ad6b7169203331"
    assert spans["rank"]["parent_id"] == spans["POST /recommend"]["context"]["span_id"]


def test_two_workers_tell_each_other_what_they_were_told(bento, tmp_path):
    """Each connection may reach another worker: what one of them has acknowledged counts for all at once."""
    with serve(bento, tmp_path, ZHIJIAN_WORKERS="2") as server:
        for turn in range(20):
            with httpx.Client(base_url=server.client.base_url, timeout=20) as told, httpx.Client(base_url=server.client.base_url) as asked:
                assert told.post("/feedback", json={"events": [EVENT | {"user_id": f"n{turn}"}]}).json()["stored"] == 1
                assert asked.post("/recommend", json={"user_id": f"n{turn}"}).json()["source"] == "hybrid"
        assert server.log.read_text().count("Service Zhijian initialized") == 2
