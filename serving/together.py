"""Requests that come at once are answered at once: one computation for all of them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
MOST = 32  # questions that are answered together
QUIET = 3  # passes of the event loop that bring nobody new, before it is begun
WAIT = 0.002  # seconds that a question waits for others at most


@dataclass
class Together(Generic[Q, A]):
    """Gathers questions while the event loop brings some, and answers them by one call; all calls come from one event loop.

    Attributes:
        call: answers questions in their order; an answer that is an exception is raised where the question was asked.
    """

    call: Callable[[Sequence[Q]], Sequence[A | Exception]]
    waiting: list[tuple[Q, "asyncio.Future[A]"]] = field(default_factory=list)
    gathering: "asyncio.Task[None] | None" = None

    async def ask(self, question: Q) -> A:
        """Answer a question, together with those that come with it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self.waiting.append((question, answer))
        if self.gathering is None:
            self.gathering = loop.create_task(self._gather())
        return await answer

    async def _gather(self) -> None:
        loop = asyncio.get_running_loop()
        end, there, quiet = loop.time() + WAIT, 0, 0
        while quiet < QUIET and len(self.waiting) < MOST and loop.time() < end:
            quiet = quiet + 1 if len(self.waiting) == there else 0
            there = len(self.waiting)
            await asyncio.sleep(0)
        self.gathering, asked = None, self.waiting
        self.waiting = []
        _tell(asked, self._answers([question for question, _ in asked]))

    def _answers(self, questions: Sequence[Q]) -> Sequence[A | Exception]:
        try:
            return self.call(questions)
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits must be told
            return [error] * len(questions)


def _tell(asked: "Sequence[tuple[Q, asyncio.Future[A]]]", answers: Sequence[A | Exception]) -> None:
    for (_, waiting), answer in zip(asked, answers, strict=True):
        if waiting.done():  # whoever waited went away
            continue
        if isinstance(answer, Exception):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)
