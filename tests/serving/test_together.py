"""Questions that come at once are answered by one call, each its own."""

import asyncio

import pytest

from serving.together import MOST, Together


def recorded(calls):
    def call(questions):
        calls.append(list(questions))
        return [ValueError(str(question)) if question < 0 else 2 * question for question in questions]

    return call


def test_what_comes_at_once_is_one_call_and_each_gets_its_own_answer():
    calls = []

    async def ask():
        together = Together(recorded(calls))
        return await asyncio.gather(*map(together.ask, [1, -2, 3]), return_exceptions=True)

    first, wrong, third = asyncio.run(ask())
    assert (first, third, calls) == (2, 6, [[1, -2, 3]])
    assert isinstance(wrong, ValueError)


def test_no_call_is_of_more_than_the_most_by_much_and_none_is_lost():
    calls = []

    async def ask():
        together = Together(recorded(calls))
        first = asyncio.gather(*map(together.ask, range(MOST)))
        return [*await first, await together.ask(MOST)]

    assert asyncio.run(ask()) == [2 * question for question in range(MOST + 1)]
    assert [len(call) for call in calls] == [MOST, 1]


def test_a_call_that_breaks_is_told_to_all_and_the_next_is_answered():
    async def ask():
        def call(questions):
            if 0 in questions:
                raise RuntimeError("broken")
            return questions

        together = Together(call)
        for said in await asyncio.gather(together.ask(0), together.ask(1), return_exceptions=True):
            assert isinstance(said, RuntimeError)
        return await together.ask(2)

    assert asyncio.run(ask()) == 2


def test_who_went_away_does_not_keep_others_from_their_answers():
    async def ask():
        together = Together(recorded([]))
        gone = asyncio.create_task(together.ask(1))
        stays = asyncio.create_task(together.ask(2))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(ask()) == 4
