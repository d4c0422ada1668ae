"""A model behind an OpenAI-compatible address: vLLM, Ollama, llama.cpp or a cloud's."""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from circuitbreaker import CircuitBreaker
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, ValidationError, field_validator
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_random

from components.generation.messages import Claim, Claims, ProviderError, S, Task
from components.generation.providers import prompt
from components.generation.providers.budget import Budget
from components.generation.providers.loop import Loop
from components.generation.providers.reading import closed, heard, understood
from components.schema import node

MOST = 262_144  # bytes of an answer
AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # statuses after which a second try may help
TRIES = 2
SLOWEST = 10.0  # seconds that the network may be silent; deadlines are shorter


class Said(BaseModel):
    """The text of a completion."""

    content: str


class Choice(BaseModel):
    """One completion."""

    message: Said


class Usage(BaseModel):
    """Tokens that a call took."""

    total_tokens: int = Field(ge=0, le=10_000_000)


class Completion(BaseModel):
    """The part of an answer that is read."""

    choices: list[Choice] = Field(min_length=1, max_length=8)
    usage: Usage | None = None


class Busy(Exception):  # noqa: N818 it is no answer yet, not an error
    """The server may answer a second try."""


@node
class OpenAI:
    """An OpenAI-compatible server.

    Attributes:
        base_url: up to and with /v1; http only to this machine or a network of one's own, since the key goes with it.
        key_env: the name of the environment variable that holds the key; null where none is needed.
        tokens: how many may be spent in an hour, prompts included.
        answer: tokens of one answer.
        failures: after so many in a row no call is made for `recovery` seconds.
        probe: seconds in which the server must answer at the start.
    """

    base_url: str
    model: str
    key_env: str | None = None
    tokens: PositiveInt = 200_000
    answer: PositiveInt = 400
    temperature: float = Field(0.3, ge=0, le=2)
    failures: PositiveInt = 3
    recovery: PositiveFloat = 30.0
    probe: PositiveFloat = 1.0

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("must be an http or https address such as http://localhost:8000/v1, without user, query or fragment")
        return value.rstrip("/")

    def start(self) -> "OpenAISpeaker":
        """Ask the server which models it has; what is wrong is told by `idle`."""
        speaker = OpenAISpeaker(self)
        speaker.ask()
        return speaker


@dataclass
class OpenAISpeaker:
    """Asks the server; every call ends by its deadline, however the server behaves."""

    settings: OpenAI
    name: str = "openai"
    _breaker: CircuitBreaker = field(init=False, repr=False)
    _budget: Budget = field(init=False, repr=False)
    _loop: Loop = field(init=False, repr=False)
    _client: httpx.AsyncClient = field(init=False, repr=False)
    _last: str = ""

    def __post_init__(self) -> None:
        own = self.settings
        self._breaker = CircuitBreaker(failure_threshold=own.failures, recovery_timeout=own.recovery, name=self.name)
        self._budget = Budget(own.tokens)
        self._loop = Loop()
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SLOWEST)

    @property
    def idle(self) -> str:
        """Why no model is asked at present; empty where one is."""
        return self._last if self._breaker.opened else ""

    def ask(self) -> None:
        """Find out whether the server answers and has the model; where not, none is asked for `recovery` seconds."""
        try:
            self._loop.run(self._models(), self.settings.probe)
        except ProviderError as error:
            self._last = str(error)
            for _ in range(self.settings.failures):
                with suppress(ProviderError), self._breaker:
                    raise error

    def word(self, task: Task, deadline: float) -> list[Claim]:
        """Have a task's points worded."""
        answer = self._complete(prompt.wording(task), prompt.claims_schema(task), deadline)
        try:
            return Claims.model_validate_json(answer, strict=True).claims
        except (ValidationError, ValueError, RecursionError):
            raise ProviderError("the answer does not fit the schema") from None

    def parse(self, utterance: str, schema: type[S], names: Collection[str], deadline: float) -> S:
        """Have a turn read into a closed schema."""
        said = heard(utterance)
        return understood(self._complete(prompt.reading(said), closed(schema), deadline), schema, said, names)

    def close(self) -> None:
        """Let go of connections and of the thread that held them."""
        with suppress(ProviderError):
            self._loop.run(self._client.aclose(), 1.0)
        self._loop.close()

    def _complete(self, messages: list[dict[str, str]], schema: dict[str, Any], deadline: float) -> str:
        if self._breaker.opened:
            raise ProviderError(self._last)
        asked = {
            "model": self.settings.model,
            "messages": messages,
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.answer,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}},
        }
        guess = sum(len(message["content"]) for message in messages) // 3 + self.settings.answer
        if not self._budget.take(guess):
            raise ProviderError("this hour's tokens are spent")
        try:
            with self._breaker:
                found = self._loop.run(self._chat(asked), deadline)
        except ProviderError as error:
            self._last = str(error)
            raise
        self._budget.settle(guess, found.usage.total_tokens if found.usage else guess)
        return found.choices[0].message.content

    async def _chat(self, asked: dict[str, Any]) -> Completion:
        body = await self._answer("POST", "/chat/completions", asked)
        try:
            return Completion.model_validate_json(body)
        except (ValidationError, ValueError, RecursionError):
            raise ProviderError("the server's answer is no completion") from None

    async def _models(self) -> None:
        await self._answer("GET", "/models", None)

    async def _answer(self, method: str, path: str, asked: dict[str, Any] | None) -> bytes:
        """One call and, where it may help, a second."""
        retrying = AsyncRetrying(stop=stop_after_attempt(TRIES), wait=wait_random(0.05, 0.15), retry=retry_if_exception_type(Busy))
        try:
            async for attempt in retrying:
                with attempt:
                    return await self._once(method, path, asked)
        except RetryError as error:
            raise ProviderError(str(error.last_attempt.exception())) from None
        raise ProviderError("no answer")

    async def _once(self, method: str, path: str, asked: dict[str, Any] | None) -> bytes:
        headers = {"Accept-Encoding": "identity"} | _key(self.settings.key_env)
        try:
            async with self._client.stream(method, self.settings.base_url + path, json=asked, headers=headers) as response:
                if response.status_code in AGAIN:
                    raise Busy(f"the server answers {response.status_code}")
                if response.status_code != 200:
                    raise ProviderError(f"the server answers {response.status_code}")
                return await _whole(response)
        except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError) as error:
            raise Busy(f"the server cannot be reached ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ProviderError(f"the call fails ({type(error).__name__})") from None


async def _whole(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ProviderError("the server's answer is compressed, unasked")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MOST:
            raise ProviderError(f"the server's answer is longer than {MOST:,} bytes")
    return bytes(body)


def _key(name: str | None) -> dict[str, str]:
    """The header with the key, read when it is needed and kept nowhere."""
    if name is None:
        return {}
    if not (key := os.environ.get(name, "")):
        raise ProviderError(f"the environment variable {name}, which should hold the key, is not set")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ProviderError(f"the environment variable {name} holds no key")
    return {"Authorization": f"Bearer {key}"}
