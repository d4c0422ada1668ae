"""Each endpoint of the served Bento, over a socket."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.conftest import IN_FLIGHT

LONG = "x" * 257
WORDS = [1, True, 1.5, [], {}, "", LONG]
COUNTS = [0, -1, 101, 10**9, 2**64, 10**400, 1.5, 10.0, "10", True, None, [], {}]
LISTS = ["i001", 1, True, {}, [1], [None], [""], [LONG], ["i001"] * 1001]
CONDITIONS = [1, "Horror", [], {"category": "Horror"}, {"category": [1]}, {"": ["Horror"]}, {LONG: []}, {str(n): [] for n in range(33)}]
FILTERS = [1, "a", [], {"surprise": 1}, {"seen": "yes"}, {"seen": 1}, {"items": "i001"}, {"items": ["i"] * 1001}]
FILTERS += [{name: value} for name in ("include", "exclude") for value in CONDITIONS]
FIELDS = {
    "/recommend": {"user_id": WORDS, "history": LISTS, "k": COUNTS, "filters": FILTERS, "surprise": [1]},
    "/similar": {"item_id": WORDS, "k": COUNTS, "to": [1, None, "all"], "by": [1, None, "magic"], "surprise": [1]},
    "/search": {"query": [*WORDS[:-1], None, "x" * 1001], "k": COUNTS, "filters": FILTERS, "surprise": [1]},
    "/items/show": {"item_id": [*WORDS, None], "surprise": [1]},
    "/explain": {"item_id": [*WORDS, None], "user_id": WORDS, "history": LISTS, "surprise": [1]},
    "/feedback": {"events": [None, 1, {}, [], [1], [{}], [{"user_id": "u001"}]], "surprise": [1]},
    "/users/erase": {"user_id": [*WORDS, None, "a\0b"], "surprise": [1]},
}
EVENT = {"user_id": "told", "item_id": "i001", "event": "click", "key": "k"}
GOOD = {
    "/recommend": {"user_id": "u001"},
    "/similar": {"item_id": "i001"},
    "/search": {"query": "a comedy"},
    "/items/show": {"item_id": "i001"},
    "/explain": {"item_id": "i001", "user_id": "u001"},
    "/feedback": {"events": [EVENT]},
    "/users/erase": {"user_id": "nobody"},
}
BAD = [(path, field, value) for path, fields in FIELDS.items() for field, values in fields.items() for value in values]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"1",
    b'"a"',
    b"\xff\xfe",
    b"{'k': 1}",
    b'{"user_id": "\\ud800"}',
    b'{"user_id": "u001",}',
    b"[" * 100_000,
]
BODIES += [b'{"a":' * 20_000, b'{"user_id": "u001"} {}', b"\xef\xbb\xbf{}", b'{"user_id": "\xed\xa0\x80"}', b"user_id=u001"]
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "1e1", "-0"]
IDS = ["\x00", "a\x00b", "\u202eabc", "\u200b", "é", "e\u0301", "\U0001f600", "知荐", "../../etc/passwd", "%00", "x" * 256, "'; DROP TABLE"]


def test_offline_equals_online(server, offline):
    nothing = {"arm": "champion", "explored": None, "propensities": [1.0] * 10}
    for user, expected in offline["one"].items():
        assert server.post("/recommend", user_id=user).json() == expected | nothing
    online = [(user, item["item_id"], item["rank"], item["score"]) for user in offline["one"] for item in recommended(server, user_id=user)]
    assert online == [tuple(row) for row in offline["batch"]]


def test_similar_equals_offline(server, offline):
    for item, expected in offline["similar"].items():
        answer = server.post("/similar", item_id=item).json()
        assert (answer["item_id"], answer["items"]) == (item, expected)


def test_users_are_like_users_and_items(server):
    near = server.post("/similar", user_id="u001", to="users", by="behaviour").json()
    assert (near["item_id"], near["user_id"], near["items"], len(near["users"])) == (None, "u001", [], 10)
    assert {int(peer["user_id"][1:]) % 3 for peer in near["users"]} == {1}
    assert "u001" not in [peer["user_id"] for peer in near["users"]]
    fans = server.post("/similar", item_id="i002", to="users", by="behaviour").json()["users"]
    assert {int(peer["user_id"][1:]) % 3 for peer in fans} == {2}
    gone = fans[0]["user_id"]
    server.post("/users/erase", user_id=gone)
    assert gone not in [peer["user_id"] for peer in server.post("/similar", item_id="i002", to="users", by="behaviour").json()["users"]]
    refused(server.post("/similar", user_id=gone), 400)
    refused(server.post("/similar", item_id="i002", user_id="u001"), 400)
    refused(server.post("/similar"), 400)


def test_explain_equals_offline(server, offline):
    user, item = next(iter(offline["one"])), next(iter(offline["similar"]))
    said = server.post("/explain", item_id=item, user_id=user).json()
    text = said.pop("text")
    assert said == offline["explained"]
    assert text["source"] == "templates"
    assert text["text"]


def test_search_finds_a_title_and_what_words_describe(server):
    exact = server.post("/search", query="comedy FILM 31", k=3).json()
    assert (exact["query"], exact["items"][0]["item_id"], exact["items"][0]["score"]) == ("comedy FILM 31", "i031", 1.0)
    assert len(exact["items"]) == 3
    only = server.post("/search", query="a scary one", filters={"exclude": {"category": ["Horror"]}}).json()
    assert only["items"]
    assert not [item for item in only["items"] if item["title"].startswith("Horror")]


@pytest.mark.parametrize(
    "query", ["适合孩子的太空冒险", "\x00", "\u202e\u200b", "   ", "<script>alert(1)</script>", "😀", "'; DROP TABLE items; --", "%"]
)
def test_a_strange_query_is_answered_or_refused(server, query):
    answer = server.post("/search", query=query)
    if answer.status_code == 200:
        assert len(answer.json()["items"]) == 10
    else:
        refused(answer, 400)
        assert answer.json()["field"] == "query"


def test_an_item_is_shown_as_the_catalogue_has_it(server):
    shown = server.post("/items/show", item_id="i031").json()
    assert shown.pop("bundle")
    attributes = {"director": ["Director 3"], "year": ["2011"]}
    about = {"item_id": "i031", "title": "Comedy film 31", "text": "A comedy film, number 31.", "categories": ["Comedy"]}
    assert shown == about | {"attributes": attributes, "created_at": None}


def test_history_counts_as_much_as_a_user(server):
    seen = ["i000", "i003", "i006"]
    answer = server.post("/recommend", history=[*seen, "unheard of"]).json()
    assert answer["source"] == "hybrid"
    assert answer["unknown"] == ["unheard of"]
    assert not {item["item_id"] for item in answer["items"]} & set(seen)
    assert server.post("/explain", item_id="i009", history=seen).json()["item"]["item_id"] == "i009"


@pytest.mark.parametrize("user", IDS)
def test_unknown_user_gets_what_is_popular(server, user):
    answer = server.post("/recommend", user_id=user)
    assert answer.status_code == 200
    assert (answer.json()["source"], answer.json()["user_id"]) == ("popularity", user)
    assert len(answer.json()["items"]) == 10


@pytest.mark.parametrize("k", [1, 5, 100])
def test_k_items_come_back_at_most(server, k):
    items = recommended(server, user_id="u001", k=k)
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))
    assert len(items) == min(k, len(items))
    assert [item["item_id"] for item in items[:5]] == [item["item_id"] for item in recommended(server, user_id="u001")][: min(5, k)]


def test_filters_hold(server):
    found = recommended(server, user_id="u001", filters={"include": {"category": ["Horror"]}, "items": None})
    assert found
    assert all(item["title"].startswith("Horror") for item in found)
    only = recommended(server, user_id="u001", filters={"items": ["i000"], "seen": True})
    assert [item["item_id"] for item in only] == ["i000"]


@pytest.mark.parametrize(("path", "field", "value"), BAD, ids=[f"{path}-{field}-{str(value)[:20]}" for path, field, value in BAD])
def test_bad_value_is_refused_by_name(server, path, field, value):
    answer = server.post(path, **GOOD[path] | {field: value})
    refused(answer, 400)
    assert answer.json()["field"].split(".")[0] == field


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_that_are_no_count_are_refused(server, number):
    answer = server.raw("/recommend", f'{{"user_id": "u001", "k": {number}}}')
    refused(answer, 400)
    assert answer.json()["field"] == "k"


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:20].hex())
def test_what_is_no_json_is_refused(server, path, body):
    refused(server.raw(path, body), 400)


@pytest.mark.parametrize("body", [{}, {"user_id": "u001", "history": []}])
def test_one_of_user_and_history_is_needed(server, body):
    answer = server.post("/recommend", **body)
    refused(answer, 400)
    assert answer.json()["field"] in ("user_id", "history")


@pytest.mark.parametrize("path", ["/similar", "/items/show", "/explain"])
@pytest.mark.parametrize("item", IDS)
def test_unknown_item_is_not_found(server, path, item):
    answer = server.post(path, **GOOD[path] | {"item_id": item})
    refused(answer, 404)
    assert answer.json()["field"] == "item_id"


@pytest.mark.parametrize("path", ["/nope", "/recommend/", "/recommend/x", "/static_content/index.css"])
def test_wrong_path_is_not_found(server, path):
    refused(server.post(path), 404)
    refused(server.client.get(path), 404)
    refused(server.post("/"), 404)  # there is the page, which is only read


def test_wrong_method_and_kind_are_refused(server):
    refused(server.client.get("/recommend"), 405)
    refused(server.client.request("DELETE", "/livez"), 404)
    refused(server.client.put("/recommend", json=GOOD["/recommend"]), 405)
    for kind in ("text/plain", "multipart/form-data; boundary=a", "application/vnd.bentoml+pickle"):
        refused(server.raw("/recommend", b'{"user_id": "u001"}', kind), 415)


def test_large_body_is_refused(server):
    body = b'{"user_id": "' + b"x" * 300_000 + b'"}'
    refused(server.raw("/recommend", body), 413)
    refused(server.raw("/recommend", iter([body[:100_000], body[100_000:200_000], body[200_000:]])), 413)
    assert server.raw("/recommend", iter([b'{"user_id": ', b'"u001"}'])).status_code == 200


def test_too_many_at_once_are_told_to_come_back(server):
    with httpx.Client(base_url=server.client.base_url, timeout=60) as client, ThreadPoolExecutor(32) as pool:
        for _ in range(20):
            answers = list(pool.map(lambda _: client.post("/recommend", json=GOOD["/recommend"]), range(32)))
            assert {answer.status_code for answer in answers} <= {200, 503}
            assert sum(answer.status_code == 200 for answer in answers) >= 1
            if shed := [answer for answer in answers if answer.status_code == 503]:
                break
    assert shed, f"32 requests at once, {IN_FLIGHT} allowed, none refused"
    assert all(answer.headers["retry-after"] == "1" for answer in shed)
    refused(shed[0], 503)
    assert server.post("/recommend", user_id="u001").status_code == 200


def test_health_and_metrics(server):
    for path in ("/livez", "/readyz", "/healthz", "/docs.json", "/schema.json"):
        assert server.client.get(path).status_code == 200
    server.post("/recommend", user_id="u001")
    server.post("/recommend", user_id="nobody at all")
    server.post("/made/up/path")
    said = server.client.get("/metrics").text
    for line in (
        'zhijian_request_seconds_count{path="/recommend",status="200"}',
        'zhijian_request_seconds_count{path="other",status="404"}',
        'zhijian_stage_seconds_count{stage="rank"}',
        'zhijian_answers_total{source="popularity"}',
        'zhijian_answers_total{source="hybrid"}',
        "zhijian_cold_share",
        'zhijian_arms_total{arm="champion"}',
        "zhijian_together_count",
        "zhijian_bundle_age_seconds",
        "zhijian_bundle_since_seconds",
        "zhijian_in_flight",
    ):
        assert line in said
    assert "/made/up/path" not in said


def test_readiness_and_models_name_the_bundle(server):
    ready, models = server.client.get("/readyz").json(), server.client.get("/models").json()
    bundle = server.post("/recommend", user_id="u001").json()["bundle"]
    assert ready == {"bundle": bundle, "refused": None, "feedback": True}
    assert (models["served"]["bundle"], models["served"]["number"], models["refused"]) == (bundle, None, None)
    assert (models["served"]["items"], models["served"]["users"]) == (60, 90)
    refused(server.post("/models"), 405)


def test_every_answer_has_an_id(server):
    for answer in (server.client.get("/livez"), server.post("/recommend", user_id="u001"), server.post("/recommend"), server.post("/nope")):
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    said = server.client.post("/recommend", json=GOOD["/recommend"], headers={"x-request-id": "mine-1"})
    assert said.headers["x-request-id"] == "mine-1"
    for forged in ("a b", "x" * 65, 'a"b', "<a>"):
        said = server.client.post("/recommend", json=GOOD["/recommend"], headers={"x-request-id": forged})
        assert said.headers["x-request-id"] != forged


def test_the_log_is_lines_of_json_and_names_nobody(server):
    server.client.post("/recommend", json={"user_id": "somebody private"}, headers={"x-request-id": "look-for-me"})
    deadline = time.monotonic() + 10
    while "look-for-me" not in (text := server.log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    began = text.index('{"time"')  # BentoML's own greeting comes before the service
    lines = [json.loads(line) for line in text[began:].splitlines()]
    [said] = [line for line in lines if line.get("request") == "look-for-me"]
    assert (said["path"], said["status"], said["source"], said["level"]) == ("/recommend", 200, "popularity", "info")
    assert re.fullmatch("[0-9a-f]{16}", said["user"])
    assert "somebody private" not in text


def test_what_is_told_changes_the_next_answer(server):
    before = recommended(server, user_id="teller")
    first, second = before[0]["item_id"], before[1]["item_id"]
    events = [
        {"user_id": "teller", "item_id": first, "event": "like", "key": "1"},
        {"user_id": "teller", "item_id": second, "event": "dismiss", "key": "2"},
    ]
    assert server.post("/feedback", events=events).json() == {"stored": 2, "repeated": 0}
    assert server.post("/feedback", events=events).json() == {"stored": 0, "repeated": 2}
    answer = server.post("/recommend", user_id="teller").json()
    assert answer["source"] == "hybrid"
    assert not {first, second} & {item["item_id"] for item in answer["items"]}
    asked = server.post("/recommend", history=[first], k=20).json()["items"]
    assert [item["item_id"] for item in answer["items"]] == [item["item_id"] for item in asked if item["item_id"] != second][:10]
    assert recommended(server, user_id="another")[0]["item_id"] == first


def test_an_erased_user_is_a_stranger(server, offline):
    user = list(offline["one"])[5]
    assert server.post("/feedback", events=[EVENT | {"user_id": user}]).json() == {"stored": 1, "repeated": 0}
    assert server.post("/users/erase", user_id=user).json() == {"user_id": user, "events": 1}
    answer = server.post("/recommend", user_id=user).json()
    assert answer["source"] == "popularity"
    assert answer["items"] == recommended(server, user_id="nobody")
    assert '"message": "erased a user"' in server.log.read_text()


def test_a_wrong_event_names_its_field(server):
    answer = server.post("/feedback", events=[EVENT, EVENT | {"event": "stare"}])
    refused(answer, 400)
    assert answer.json()["field"] == "events.1.event"
    refused(server.post("/feedback", events=[EVENT] * 1001), 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["user_id", "history", "k", "filters", "item_id"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True, database=None)
@given(path=st.sampled_from(sorted(GOOD)), body=JSON | st.binary(max_size=200))
def test_nothing_breaks_it(server, path, body):
    answer = server.raw(path, body) if isinstance(body, bytes) else server.raw(path, json.dumps(body).encode())
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        refused(answer, answer.status_code)


def test_a_conversation_remembers_and_takes_back(server):
    first = server.post("/chat", utterance="no horror please").json()
    assert first["items"]
    assert all(int(item["item_id"][1:]) % 3 for item in first["items"])
    assert [chip["words"] for chip in first["chips"]] == ["no Horror"]
    again = server.post("/chat", utterance="others", state=first["state"]).json()
    assert not {item["item_id"] for item in again["items"]} & {item["item_id"] for item in first["items"]}
    assert not server.post("/chat", remove=first["chips"][0]["id"], state=first["state"]).json()["chips"]


def test_a_conversation_is_its_user_s(server):
    own = server.post("/chat", utterance="hello", user_id="u001").json()
    refused(server.post("/chat", utterance="hello", user_id="u002", state=own["state"]), 400)
    refused(server.post("/chat", utterance="hello", user_id="u" * 200), 400)
    refused(server.post("/chat", user_id="u001"), 400)


def test_a_conversation_is_streamed(server):
    said = server.post("/chat/stream", utterance="a comedy")
    assert said.headers["content-type"].startswith("text/event-stream")
    assert (said.headers["x-bundle"], said.headers["x-arm"]) == (server.client.get("/readyz").json()["bundle"], "champion")
    assert [line[7:] for line in said.text.splitlines() if line.startswith("event: ")][0::5][:2] == ["text", "item"]
    assert "event: done" in said.text
    assert "event: problem" in server.post("/chat/stream", utterance="x", state="{}x").text


def test_a_promotional_text_rests_on_facts(server):
    text = server.post("/promote-copy", item_id="i001", history=["i004"]).json()["text"]
    assert "Comedy film 1" in text["text"]
    assert text["fact_ids"]


def test_nothing_was_logged_as_a_fault(server):
    assert "Traceback" not in server.log.read_text()


def recommended(server, **body):
    answer = server.post("/recommend", **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def refused(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error", "field"}
    assert answer.json()["error"]
    assert not re.search(r"Traceback|\.py|site-packages|pydantic|bentoml|\d+\.\d+\.\d+", answer.json()["error"])
