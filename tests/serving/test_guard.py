"""The guard alone, in front of an application that waits until it is let go."""

import asyncio

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from serving.guard import Guard, Limits
from serving.messages import SimilarRequest

BODY = {"item_id": "a"}


async def echo(scope, receive, send):
    message = await receive()
    await JSONResponse({"body": message["body"].decode()})(scope, receive, send)


async def probed(scope, receive, send):
    await PlainTextResponse("alive")(scope, receive, send)


async def fault(scope, receive, send):
    await PlainTextResponse("File /srv/a.py, line 3", 500)(scope, receive, send)


def guarded(app, **limits):
    transport = httpx.ASGITransport(Guard(app, {"/similar": SimilarRequest}, Limits(**limits)))
    return httpx.AsyncClient(transport=transport, base_url="http://guarded")


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
