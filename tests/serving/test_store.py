"""The event log in SQLite and in PostgreSQL: one set of promises for both."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from components.delivery.closure import closure
from components.errors import ConfigError
from serving.learning import erased, export, exposures, interactions, listed
from serving.store import REMEMBERED, Listed, Past, Row, Store, StoreError
from serving.tables import EVENTS, METADATA
from tests.world import ROOT

DAY = 24 * 3600 * 10**6
ROW = Row("u1", "k1", "i1", "click", 1_000, 2_000)


@pytest.fixture
def store(url):
    ready = Store.open(url)
    ready.prepare()
    yield ready
    ready.close()


def rows(store):
    return [tuple(row) for row in store.read(sa.select(EVENTS.c.user_id, EVENTS.c.key, EVENTS.c.item_id).order_by(EVENTS.c.id))]


def test_what_is_added_is_there_and_only_once(store):
    assert store.add([ROW, replace(ROW, key="k2")]) == {("u1", "k1"), ("u1", "k2")}
    assert store.add([ROW, replace(ROW, key="k3"), replace(ROW, item_id="other")]) == {("u1", "k3")}
    assert rows(store) == [("u1", "k1", "i1"), ("u1", "k2", "i1"), ("u1", "k3", "i1")]


def test_a_key_is_a_users_own(store):
    store.add([ROW])
    assert store.add([replace(ROW, user_id="u2")]) == {("u2", "k1")}


def test_nothing_is_added_of_a_batch_that_fails(store):
    with pytest.raises(StoreError):
        store.add([ROW, replace(ROW, key="k2", item_id=None)])
    assert rows(store) == []


def test_many_at_once_lose_nothing(store):
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda n: len(store.add([replace(ROW, key=f"{n % 20}-{i}") for i in range(50)])), range(40)))
    assert sum(new) == len(rows(store)) == 20 * 50


@pytest.mark.parametrize("word", ["é", "e\u0301", "知荐", "\u202eabc", "😀", "'; DROP TABLE events; --", "a" * 256, "%", "\\", "{}"])
def test_words_come_back_as_they_went_in(store, word):
    store.add([Row(word, word, word, "like", 1, 1, request=word)])
    assert store.past(word).events == [(word, "like", 1)]
    assert rows(store) == [(word, word, word)]


def test_nobody_is_called_nul(store):
    assert store.past("a\0b") == Past()


def test_the_past_is_the_newest_in_order(store):
    store.add([replace(ROW, key=str(n), item_id=f"i{n}", time=n) for n in range(REMEMBERED + 5)])
    store.add([replace(ROW, key="seen", event="impression", time=10**9)])
    events = store.past("u1").events
    assert [when for _, _, when in events] == list(range(5, REMEMBERED + 5))
    assert store.past("u2") == Past()


def test_an_erased_user_is_gone_and_written_down(store):
    store.add([ROW, replace(ROW, key="k2"), replace(ROW, user_id="u2")])
    assert store.erase("u1", 5_000) == 2
    assert store.past("u1") == Past([], 5_000)
    assert rows(store) == [("u2", "k1", "i1")]
    store.add([replace(ROW, time=6_000)])
    assert store.erase("u1", 7_000) == 1
    assert store.erase("stranger", 9_000) == 0
    said = erased(store)
    assert said["user_id"].to_list() == ["stranger", "u1"]
    assert [int(at.timestamp() * 10**6) for at in said["at"]] == [9_000, 7_000]


def test_interactions_are_what_tells_of_a_taste(store):
    kinds = ["impression", "click", "purchase", "rating", "like", "dismiss"]
    store.add([Row("u1", kind, f"i{n}", kind, 10 - n, 1, value=4.5 if kind == "rating" else None) for n, kind in enumerate(kinds)])
    found = interactions(store)
    assert found["event"].to_list() == ["like", "rating", "purchase", "click"]
    assert found["weight"].to_list() == [2.0, 4.5, 3.0, 1.0]
    assert found.columns == ["user_id", "item_id", "timestamp", "event", "weight"]
    assert found["timestamp"].dt.epoch("us").to_list() == [6, 7, 8, 9]


def test_impressions_know_what_came_of_them(store):
    shown = Row("u1", "s", "i1", "impression", DAY, 1, request="r1", rank=3, propensity=0.25)
    done = Row("u1", "d", "i1", "click", DAY + 5, 1, request="r1")
    store.add([shown, done, replace(shown, key="s2", item_id="i2")])
    store.add([replace(shown, user_id="u2"), replace(done, user_id="u2", request="another")])
    store.add([replace(shown, user_id="u3"), replace(done, user_id="u3", request=None, event="purchase")])
    store.add([replace(shown, user_id="u4"), replace(done, user_id="u4", time=DAY - 1)])
    store.add([replace(shown, user_id="u5"), replace(done, user_id="u5", time=3 * DAY)])
    store.add([replace(shown, user_id="u6"), replace(done, user_id="u6", event="dismiss")])
    found = exposures(store).rows(named=True)
    taken = {(row["user_id"], row["item_id"]): row["taken"] for row in found}
    assert taken == {
        ("u1", "i1"): True,
        ("u1", "i2"): False,
        ("u2", "i1"): False,
        ("u3", "i1"): True,
        ("u4", "i1"): False,
        ("u5", "i1"): False,
        ("u6", "i1"): False,
    }
    assert (found[0]["rank"], found[0]["propensity"], found[0]["request"]) == (3, 0.25, "r1")


def test_what_is_exported_is_the_same_twice(store, tmp_path):
    store.add([replace(ROW, key=str(n), time=n % 3) for n in range(20)])
    store.erase("u9", 3)
    assert export(store, tmp_path / "a") == export(store, tmp_path / "b") == {"interactions": 20, "items": 0, "erased": 1}
    for name in ("interactions", "items", "erased"):
        assert (tmp_path / "a" / f"{name}.parquet").read_bytes() == (tmp_path / "b" / f"{name}.parquet").read_bytes()


def test_an_impression_of_an_experiment_s_list_has_the_probabilities_of_its_place(store):
    one = Listed("u1", "r1", 5, "b2", "challenger", 0.25, 0.01, 2, '["i1", "i9", "i3"]', "[0.99, 0.002, 0.99]")
    store.expose([one, replace(one, user_id="u2", new=None, arm="champion", share=0.75)])
    store.expose([replace(one, bundle="another")])  # a request counts once
    shown = [Row("u1", f"k{item}", item, "impression", 10, 10, request="r1") for item in ("i1", "i9", "i7")]
    store.add([*shown, Row("u3", "k", "i1", "impression", 11, 11, request="r1"), Row("u1", "c", "i9", "click", 12, 12, request="r1")])
    found = {(row["user_id"], row["item_id"]): row for row in exposures(store).rows(named=True)}
    new, old = found["u1", "i9"], found["u1", "i1"]
    assert [new[name] for name in ("rank", "bundle", "propensity", "taken", "arm", "share", "slot", "new")] == [
        2, "b2", 0.002, True, "challenger", 0.25, 0.01, True,
    ]  # fmt: skip
    assert (old["rank"], old["propensity"], old["new"], old["taken"]) == (1, 0.99, False, False)
    for other in (found["u1", "i7"], found["u3", "i1"]):  # not of that list, and of nobody's
        assert (other["arm"], other["propensity"], other["new"]) == (None, None, None)
    store.erase("u1", 99)
    assert listed(store)["user_id"].unique().to_list() == ["u2"]


def test_the_command_exports_from_the_configured_store(store, url, tmp_path):
    store.add([ROW])
    told = {(): "1 interactions, 0 items, 0 erased\n", ("exposures",): "0 exposures\n"}
    for names, said in told.items():
        command = [sys.executable, "-m", "serving.learning", str(tmp_path / "out"), *names]
        ended = subprocess.run(command, cwd=ROOT, env={"PATH": "", "ZHIJIAN_FEEDBACK": url}, capture_output=True, text=True, check=False)
        assert ended.stdout == said, ended.stderr
        assert {path.stem for path in (tmp_path / "out").iterdir()} == set(names or ("interactions", "items", "erased"))


def test_where_no_log_was_begun_nothing_is_exported_or_made(tmp_path):
    command = [sys.executable, "-m", "serving.learning", str(tmp_path / "out")]
    where = {"PATH": "", "ZHIJIAN_FEEDBACK": f"sqlite:///{tmp_path}/log.sqlite"}
    ended = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "no event log was begun, so there is nothing to export\n")
    assert list(tmp_path.iterdir()) == []


def test_migrations_make_what_the_code_expects_and_may_run_at_once(url):
    stores = [Store.open(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store.prepare(), stores))
    with stores[0].engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    for store in stores:
        store.close()


@pytest.mark.parametrize("url", ["", "feedback.sqlite", "sqlite://", "mysql://a:geheim@b/c", "oracle://geheim@a/b"], ids=str)
def test_another_kind_of_database_is_refused_and_not_quoted(url):
    with pytest.raises(ConfigError, match="feedback store must be") as error:
        Store.open(url).prepare()
    assert "geheim" not in str(error.value)


def test_sqlite_syncs_each_commit(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'a.sqlite'}")
    store.prepare()
    with store.engine.connect() as connection:
        said = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert said == ["wal", 2]


def test_a_sqlite_file_that_is_gone_keeps_nothing(tmp_path):
    folder = tmp_path / "there"
    store = Store.open(f"sqlite:///{folder / 'a.sqlite'}")
    store.prepare()
    store.add([ROW])
    folder.rename(tmp_path / "away")
    for call in (lambda: store.add([replace(ROW, key="k2")]), lambda: store.past("u1")):
        with pytest.raises(StoreError, match="feedback store"):
            call()
    assert not folder.exists()
    (tmp_path / "away").rename(folder)
    assert store.add([replace(ROW, key="k3")]) == {("u1", "k3")}
    assert [key for _, key, _ in rows(store)] == ["k1", "k3"]


def test_a_sqlite_file_that_was_replaced_is_the_one_that_counts(tmp_path):
    folder = tmp_path / "there"
    store, other = (Store.open(f"sqlite:///{folder / 'a.sqlite'}") for _ in range(2))
    store.prepare()
    store.add([ROW])
    folder.rename(tmp_path / "away")
    other.prepare()
    assert store.add([replace(ROW, key="k2")]) == {("u1", "k2")}
    assert [key for _, key, _ in rows(other)] == ["k2"]


def test_a_torn_sqlite_file_is_refused(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="feedback store"):
        Store.open(f"sqlite:///{path}").prepare()


def test_a_full_disk_is_said(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'a.sqlite'}")
    store.prepare()
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=20")
    store.add([ROW])
    with pytest.raises(StoreError):
        store.add([replace(ROW, key=f"{n}" + "x" * 200) for n in range(1000)])
    assert [key for _, key, _ in rows(store)] == ["k1"]


def test_postgresql_comes_back_without_a_hand(cluster):
    store = Store.open(cluster.url)
    store.prepare()
    store.add([ROW])
    cluster.stop()
    with pytest.raises(StoreError, match="feedback store"):
        store.add([replace(ROW, key="k2")])
    cluster.start()
    assert store.add([replace(ROW, key="k3")]) == {("u1", "k3")}
    assert store.past("u1").events == [("i1", "click", 1_000)] * 2
    store.close()


def test_a_log_that_a_later_version_made_is_left_alone(url):
    store = Store.open(url)
    store.prepare()
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="another version"):
        store.prepare()
    store.close()


def test_a_bento_carries_every_step_of_the_migration():
    steps = {path.relative_to(ROOT) for path in (ROOT / "serving/migrations/versions").glob("v*.py")}
    assert steps <= set(closure(ROOT, ["serving.service"]).files)
