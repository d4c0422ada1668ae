"""Items that come, change and go while serving: in force in the next request, kept over a restart, taken into the next training."""

import asyncio
import json
import time
from dataclasses import replace

import polars as pl
import pytest

from components.data.feedback import Feedback as Came
from components.errors import RequestError
from components.recommend.experiment import Experiment
from serving import learning
from serving.changes import HELD, Change, ItemsRequest
from serving.feedback import Feedback
from serving.items import Items, grown
from serving.live import Live, Trial, Watch, load
from serving.options import Options
from serving.store import Store, StoreError
from tests.serving.conftest import serve

NEW = {
    "item_id": "new 1",
    "title": "The Last Séance",
    "text": "A horror film about a seance in a lighthouse.",
    "categories": ["Horror"],
    "attributes": {"director": ["Director 0"], "year": ["2039"]},
}


@pytest.fixture(scope="module")
def live(bundle) -> Live:
    return load(bundle)


@pytest.fixture
def begun(live, url, tmp_path, monkeypatch):
    """A service's items over an empty database of each kind; each call is another process."""

    monkeypatch.setattr("serving.items.CALM", 0.0)

    def begin(live: Live = live) -> Items:
        watch = Watch(Options(url, tmp_path / "champion.json"), live)
        return Items(watch, Feedback(Store.open(url)))

    return begin


def asked(*items: dict[str, object]) -> ItemsRequest:
    return ItemsRequest.model_validate_json(json.dumps({"items": items}))


def outcomes(items: Items, *said: dict[str, object]) -> list[str]:
    return [outcome.outcome for outcome in asyncio.run(changing(items, *said)).items]


async def changing(items: Items, *said: dict[str, object]):
    changed = await items.change(asked(*said))
    if items.speaking:
        await items.speaking
    return changed


def test_over_http_an_item_is_there_in_the_next_request_and_after_a_restart(bento, tmp_path):
    with serve(bento, tmp_path) as server:
        assert server.post("/items/show", item_id="new 1").status_code == 404
        added = server.post("/items", items=[NEW, {"item_id": "i003", "hidden": True}])
        assert added.status_code == 200, added.text
        assert [each["outcome"] for each in added.json()["items"]] == ["added", "changed"]
        seen(server)
        assert server.post("/items", items=[NEW]).json()["items"][0]["outcome"] == "unchanged"
        refused = server.post("/items", items=[NEW, {"item_id": "x", "title": "y" * 1001}])
        assert (refused.status_code, refused.json()["field"]) == (400, "items.1.title")
        assert server.post("/items", items=[{"item_id": "x"}]).json()["field"] == "items.0.title"
        assert server.post("/items", items=[{"item_id": "x", "title": "y", "created_at": "soon"}]).json()["field"] == "items.0.created_at"
    with serve(bento, tmp_path) as server:
        seen(server)
        talk = server.post("/chat", utterance="something like The Last Séance")
        deadline = time.monotonic() + 60
        while "The Last Séance" not in talk.json()["text"] and time.monotonic() < deadline:
            talk = server.post("/chat", utterance="something like The Last Séance")
        assert "The Last Séance" in talk.json()["text"]


def seen(server):
    assert server.post("/items/show", item_id="new 1").json()["attributes"] == NEW["attributes"]
    assert server.post("/search", query="the last seance", k=1).json()["items"][0]["item_id"] == "new 1"
    assert {near["title"].split()[0] for near in server.post("/similar", item_id="new 1", k=3, by="content").json()["items"]} == {"Horror"}
    told = [
        server.post("/recommend", user_id="u000", k=60).json()["items"],
        server.post("/search", query="horror film 3", k=60).json()["items"],
    ]
    listed = [[item["item_id"] for item in items] for items in told]
    assert all("new 1" in items and "i003" not in items for items in listed)
    assert server.post("/items/show", item_id="i003").status_code == 404
    explained = server.post("/explain", item_id="new 1", user_id="u000").json()
    assert explained["item"]["paths"][0]["edges"][-1]["head"] == NEW["title"]
    assert explained["text"]["text"], "though chat may not know it yet"
    assert server.post("/promote-copy", item_id="new 1").status_code == 200


def test_a_change_with_a_key_is_made_once_and_what_is_so_already_is_not_kept(begun):
    items = begun()
    assert outcomes(items, NEW | {"key": "1"}) == ["added"]
    assert outcomes(items, {"item_id": "new 1", "title": "Second"}) == ["changed"]
    assert outcomes(items, NEW | {"key": "1"}) == ["unchanged"]
    assert items.watch.live.recommender.show("new 1").title == "Second"
    assert outcomes(items, {"item_id": "new 1", "title": "Second"}) == ["unchanged"]
    with pytest.raises(RequestError, match=r"items\.1\.key: was given to another change"):
        outcomes(items, {"item_id": "i001", "title": "Third"}, NEW | {"key": "1", "title": "Other"})
    assert items.watch.live.recommender.show("i001").title == "Comedy film 1", "all or none"
    assert outcomes(items, {"item_id": "i001", "hidden": True}, {"item_id": "i001", "hidden": False}) == ["changed", "changed"]
    assert items.watch.live.recommender.show("i001").item_id == "i001"
    items.feedback.store.close()


def test_another_process_takes_over_what_was_kept(begun):
    first, second = begun(), begun()
    outcomes(first, NEW, {"item_id": "i003", "hidden": True})

    async def look(items: Items) -> None:
        await items.look()
        if items.speaking:
            await items.speaking

    asyncio.run(look(second))
    assert second.watch.live.recommender.show("new 1").title == NEW["title"]
    outcomes(second, {"item_id": "new 1", "text": "Anew."})
    asyncio.run(look(first))
    shown = first.watch.live.recommender.show("new 1")
    assert (shown.title, shown.text, shown.attributes) == (NEW["title"], "Anew.", NEW["attributes"])
    talk = first.watch.live.conversation
    assert "The Last Séance" in talk.turn(talk.start(), "something like The Last Séance").text
    assert "i003" not in {item.item_id for item in talk.turn(talk.start(), "a horror film").items}
    for items in (first, second):
        items.feedback.store.close()


def test_chat_shows_nothing_that_was_just_hidden(live):
    best = live.conversation.turn(live.conversation.start(), "a horror film").items[0].item_id
    talk = grown(live, {best: {"hidden": True}}).conversation
    assert best not in {item.item_id for item in talk.turn(talk.start(), "a horror film").items}


def test_the_next_champion_gets_what_is_said_beside_it_and_one_that_has_it_keeps_its_own(begun, live):
    items = begun()
    outcomes(items, NEW, {"item_id": "i003", "hidden": True})
    settled = items.settle(live)
    assert settled.recommender.show("new 1").title == NEW["title"]
    assert settled.conversation.recommender is settled.recommender
    has = replace(live, recommender=grown(live, items.state).recommender.hide(frozenset()))
    again = items.settle(has)
    assert again.recommender.items == has.recommender.items
    assert again.recommender.catalogue.hidden == {"i003"}
    old = replace(live, recommender=replace(live.recommender, growth=None))
    served = items.settle(old)
    assert served.recommender.items == live.recommender.items, "it serves without them"
    assert served.recommender.catalogue.hidden == {"i003"}
    items.feedback.store.close()


def test_the_challenger_takes_items_as_the_champion_does(begun, live):
    items = begun()
    items.watch.trial = Trial(Experiment(challenger="x"), live)
    outcomes(items, NEW, {"item_id": "i003", "hidden": True})
    other = items.watch.trial.other
    assert other.recommender.show("new 1").title == NEW["title"]
    assert other.recommender.catalogue.hidden == {"i003"}
    assert "The Last Séance" in other.conversation.turn(other.conversation.start(), "something like The Last Séance").text
    items.feedback.store.close()


def test_no_more_items_are_held_than_a_start_can_bear(begun, monkeypatch):
    items = begun()
    monkeypatch.setattr("serving.items.HELD", 1)
    assert HELD == 1000
    with pytest.raises(RequestError, match="items: would make 2 items that the bundle lacks, and 1 are allowed; retrain"):
        outcomes(items, NEW, NEW | {"item_id": "new 2"})
    assert outcomes(items, NEW, {"item_id": "i003", "title": "Known"}) == ["added", "changed"]
    items.feedback.store.close()


def test_what_cannot_be_kept_is_not_in_force(live, tmp_path):
    watch = Watch(Options("", tmp_path / "champion.json"), live)
    (tmp_path / "file").write_text("")
    items = Items(watch, Feedback(Store.open(f"sqlite:///{tmp_path}/feedback.sqlite")))
    assert outcomes(items, NEW) == ["added"]
    items.feedback.store.file.unlink()  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(StoreError):
        outcomes(items, NEW | {"item_id": "new 2"})
    assert "new 2" not in items.watch.live.recommender.items
    assert "new 1" in items.watch.live.recommender.items


def test_what_was_said_of_items_goes_to_the_next_training(begun, tmp_path):
    items = begun()
    outcomes(items, NEW, {"item_id": "i001", "title": "Renamed"}, {"item_id": "i003", "hidden": True})
    counts = learning.export(items.feedback.store, tmp_path / "tables")
    assert counts == {"interactions": 0, "items": 2, "erased": 0}
    found = Came.read(tmp_path / "tables").items
    assert found["item_id"].to_list() == ["i001", "new 1"]
    assert found.filter(pl.col("item_id") == "i001").select("title", "text", "categories").rows() == [("Renamed", None, None)]
    row = found.row(1, named=True)
    assert row["attributes"] == [{"name": "director", "value": "Director 0"}, {"name": "year", "value": "2039"}]
    items.feedback.store.close()


@pytest.mark.parametrize(
    "said", [{"attributes": {"": ["x"]}}, {"text": "a\0b"}, {"categories": ["x"] * 101}, {"hidden": "yes"}, {"nonsense": 1}]
)
def test_what_no_item_can_be_is_refused(said):
    with pytest.raises(ValueError, match=next(iter(said))):
        Change.model_validate_json(json.dumps({"item_id": "a", **said}))
