"""The guard alone, in front of an application that waits until it is let go."""

import asyncio
import json
import subprocess
import sys

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from serving.guard import Bucket, Guard, Limits
from serving.keys import Ring, create
from serving.messages import SimilarRequest
from serving.routes import OPEN, ROUTES, Route
from tests.world import ROOT

BODY = {"item_id": "a"}
FIND = """
import json
from serving.service import Zhijian

def paths(routes, before=""):
    for route in routes:
        yield from paths(route.routes, before + route.path) if getattr(route, "routes", None) else [before + route.path or "/"]

print(json.dumps(list(paths(Zhijian.to_asgi(is_main=True).routes))))
"""
SIMILAR = {"/similar": Route("read", SimilarRequest), "/models": Route("admin")}


async def echo(scope, receive, send):
    message = await receive()
    await JSONResponse({"body": message["body"].decode()})(scope, receive, send)


async def probed(scope, receive, send):
    await PlainTextResponse("alive")(scope, receive, send)


async def fault(scope, receive, send):
    await PlainTextResponse("File /srv/a.py, line 3", 500)(scope, receive, send)


def guarded(app, **limits):
    transport = httpx.ASGITransport(Guard(app, SIMILAR, Limits(**limits)))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def asked(ring, method, path, key=None, client="127.0.0.1", host="localhost", **limits):
    """The status of one request with a key, from an address."""

    async def once():
        transport = httpx.ASGITransport(Guard(echo, SIMILAR, Limits(**limits), ring), client=(client, 1))
        headers = {"host": host} | ({"authorization": f"Bearer {key}"} if key else {})
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
            return await asking.request(method, path, headers=headers, json=BODY)

    return asyncio.run(once())


def ask(app, content, **limits):
    async def once():
        async with guarded(app, **limits) as client:
            return await client.post("/similar", content=content)

    return asyncio.run(once())


def test_a_good_body_arrives_whole():
    async def pieces():
        for piece in (b'{"item', b'_id": ', b'"a"}'):
            yield piece

    assert ask(echo, pieces()).json() == {"body": '{"item_id": "a"}'}


def test_a_body_one_byte_too_long_is_refused():
    body = b'{"item_id": "a"}'
    assert ask(echo, body, body=len(body)).status_code == 200
    assert ask(echo, body, body=len(body) - 1).status_code == 413


def test_a_body_without_a_length_is_counted_as_it_comes():
    taken = []

    async def endless():
        while True:
            taken.append(1)
            yield b"a" * 100

    assert ask(echo, endless(), body=1000).status_code == 413
    assert len(taken) <= 12


def test_a_slow_body_is_given_up():
    async def stuck():
        yield b"{"
        await asyncio.Event().wait()

    assert ask(echo, stuck(), patience=0.05).status_code == 408


def test_only_so_many_are_let_in_at_once():
    async def crowd():
        gate, inside = asyncio.Event(), 0

        async def waiting(scope, receive, send):
            nonlocal inside
            inside += 1
            await gate.wait()
            await echo(scope, receive, send)

        async with guarded(waiting, in_flight=3) as client:
            asked = [asyncio.create_task(client.post("/similar", json=BODY)) for _ in range(10)]
            done, pending = await asyncio.wait(asked, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 7:
                more, pending = await asyncio.wait(pending, timeout=10, return_when=asyncio.FIRST_COMPLETED)
                assert more
                done |= more
            assert inside == 3
            assert all(task.result().status_code == 503 and task.result().headers["retry-after"] == "1" for task in done)
            gate.set()
            assert [(await task).status_code for task in pending] == [200] * 3
            assert (await client.post("/similar", json=BODY)).status_code == 200

    asyncio.run(crowd())


def test_probes_are_let_in_however_full_it_is():
    async def probe():
        async with guarded(probed, in_flight=1) as client:
            client._transport.app.in_flight = 1
            return (await client.get("/livez")).text, (await client.post("/similar", json=BODY)).status_code

    assert asyncio.run(probe()) == ("alive", 503)


def test_a_place_is_given_back_when_the_application_breaks():
    async def broken(scope, receive, send):
        raise OSError("disk")

    async def twice():
        async with guarded(broken, in_flight=1) as client:
            for _ in range(2):
                with pytest.raises(OSError, match="disk"):
                    await client.post("/similar", json=BODY)

    asyncio.run(twice())


def test_a_fault_further_in_tells_nothing():
    answer = ask(fault, b'{"item_id": "a"}')
    assert answer.status_code == 500
    assert answer.json() == {"error": "the request could not be answered", "field": None}


@pytest.mark.parametrize("said", ["0", "-1", "many", "1.5", ""])
def test_a_wrong_limit_is_refused(said):
    with pytest.raises(ValueError, match="ZHIJIAN_IN_FLIGHT"):
        Limits.read({"ZHIJIAN_IN_FLIGHT": said})


def test_limits_are_read():
    assert Limits.read({}) == Limits()
    assert Limits.read({"ZHIJIAN_IN_FLIGHT": "7"}).in_flight == 7


def test_the_rate_is_read():
    assert Limits.read({"ZHIJIAN_RATE": "7"}).rate == 7
    with pytest.raises(ValueError, match="ZHIJIAN_RATE"):
        Limits.read({"ZHIJIAN_RATE": "0.5"})


@pytest.fixture
def ring(tmp_path):
    made = Ring(tmp_path / "keys.json")
    made.path.touch()
    made.path.unlink()
    return made


def test_without_keys_only_this_machine_is_answered():
    for client in ("127.0.0.1", "::1", "127.9.9.9"):
        assert asked(None, "POST", "/similar", client=client).status_code == 200
    for client in ("10.0.0.1", "192.168.1.2", "::2", "unheard of"):
        answer = asked(None, "POST", "/similar", client=client)
        assert answer.status_code == 403
        assert "ZHIJIAN_KEYS" in answer.json()["error"]


def test_without_keys_this_machine_is_answered_by_its_own_names_only():
    for host in ("localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "LOCALHOST"):
        assert asked(None, "POST", "/similar", host=host).status_code == 200
    for host in ("elsewhere.example", "127.0.0.1.elsewhere.example", "localhost.elsewhere.example:3000", "[::2]"):
        answer = asked(None, "POST", "/similar", host=host)
        assert (answer.status_code, answer.json()["field"]) == (403, "host")


def test_with_keys_everyone_needs_one_for_everything(ring):
    key = create(ring.path, ["read"])
    for path in ("/similar", "/models", "/nope", "/docs.json", "/data-docs/index.html"):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = asked(ring, method, path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
    assert asked(ring, "POST", "/similar", key, client="10.0.0.1").status_code == 200
    assert asked(ring, "POST", "/similar", key[:-1]).status_code == 401
    assert asked(ring, "POST", "/nope", key).status_code == 404
    assert asked(ring, "GET", "/similar", key).status_code == 405


def test_a_scope_opens_its_own_routes_only(ring):
    keys = {scope: create(ring.path, [scope]) for scope in ("read", "feedback", "admin")}
    seen = {
        scope: [asked(ring, method, path, key).status_code for method, path in (("POST", "/similar"), ("GET", "/models"))]
        for scope, key in keys.items()
    }
    assert seen == {"read": [200, 403], "feedback": [403, 403], "admin": [403, 200]}


def test_a_key_has_a_rate_of_its_own(ring):
    slow, other = create(ring.path, ["read"], rate=2), create(ring.path, ["read"])

    async def many():
        transport = httpx.ASGITransport(Guard(echo, SIMILAR, Limits(rate=50), ring))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return {
                key: [await client.post("/similar", json=BODY, headers={"authorization": f"Bearer {key}"}) for _ in range(10)]
                for key in (slow, other)
            }

    said = asyncio.run(many())
    assert [answer.status_code for answer in said[slow]].count(429) >= 7
    assert said[slow][-1].headers["retry-after"] == "1"
    assert {answer.status_code for answer in said[other]} == {200}


def test_a_bucket_fills_with_time():
    now = [0.0]
    bucket = Bucket(4.0, clock=lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]
    now[0] = 0.25
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]
    now[0] = 0.0
    assert bucket.take() is False
    now[0] = 200.0
    assert bucket.take() is True


def test_no_socket_is_opened(ring):
    said = []

    async def tell(message):
        said.append(message)

    asyncio.run(Guard(echo, SIMILAR, Limits(), ring)({"type": "websocket", "path": "/similar"}, None, tell))
    assert said == [{"type": "websocket.close", "code": 1008}]


def test_every_route_of_the_application_needs_a_key_or_is_open(ring):
    """Default deny over the routes that the application really has, found by asking it."""
    ended = subprocess.run([sys.executable, "-c", FIND], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = set(json.loads(ended.stdout.splitlines()[-1]))
    assert {"/recommend", "/feedback", "/models", "/docs.json", "/metrics", "/"} <= found
    create(ring.path, ["read"])

    async def statuses():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(Guard(echo, ROUTES, Limits(), ring)), base_url="http://localhost"
        ) as client:
            return {(path, method): (await client.request(method, path)).status_code for path in found for method in ("GET", "POST", "PUT")}

    said = asyncio.run(statuses())
    assert {path for (path, method), status in said.items() if method == "GET" and status == 200} == OPEN
    assert {status for (path, method), status in said.items() if path not in OPEN or method != "GET"} == {401}
    assert set(ROUTES) <= found
