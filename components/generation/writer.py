"""The writer: decides what is said, has it worded, checks it, and falls back to templates."""

import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock

from components.generation.checker import faults, text
from components.generation.facts import FactSheet
from components.generation.messages import Claim, Provider, ProviderError, S, Speaker, Task, Text
from components.generation.phrases import phrases
from components.generation.planner import promotion, reasons
from components.generation.providers.templates import TemplateSpeaker
from components.generation.wording import LanguageCode, Length, Tone

TRIES = 2  # the second only where the first answer was refused and time is left
LEAST = 0.2  # seconds in which no model says anything


@dataclass(frozen=True)
class Writer:
    """Writes reasons and promotional texts; safe to share between threads.

    Attributes:
        deadline: seconds that a model may take, all tries together.
        most: texts of a model that are kept; the key is every fact and setting, so that a changed fact is worded anew.
    """

    speaker: Speaker = field(default_factory=TemplateSpeaker)
    deadline: float = 2.0
    most: int = 10_000
    _kept: OrderedDict[Task, Text] = field(default_factory=OrderedDict[Task, Text], repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @classmethod
    def start(cls, provider: Provider, deadline: float = 2.0) -> "Writer":
        """Make a writer with a provider that is asked once whether it answers."""
        return cls(provider.start(), deadline)

    @property
    def status(self) -> str:
        """Whether a model speaks, in words: `llm: on, openai` or `llm: off, reason`."""
        return f"llm: off, {self.speaker.idle}" if self.speaker.idle else f"llm: on, {self.speaker.name}"

    def reason(self, sheet: FactSheet, language: LanguageCode = "en", tone: Tone = "plain", length: Length = "short") -> Text:
        """Say why an item is recommended."""
        return self._write(Task(sheet, reasons(sheet, length), "reason", language, tone, length))

    def copy(self, sheet: FactSheet, language: LanguageCode = "en", tone: Tone = "plain", length: Length = "medium") -> Text:
        """Promote an item by what is true of it."""
        return self._write(Task(sheet, promotion(sheet, length), "copy", language, tone, length))

    def parse(self, utterance: str, schema: type[S], names: Collection[str] = (), deadline: float | None = None) -> S:
        """Read what a person said into a closed schema.

        Args:
            schema: a model that forbids other fields and lists what it may hold.
            names: names of the catalogue; text in the answer must be one of them or be said in the utterance.

        Raises:
            ProviderError: there is no model, or no answer that fits; the caller reads by itself.
        """
        return self.speaker.parse(utterance, schema, names, self.deadline if deadline is None else deadline)

    def _write(self, task: Task) -> Text:
        kept = self._recall(task)
        if kept is not None:
            return kept
        plain = phrases(task)
        if not plain:
            return Text(text="", fact_ids=[], source="templates", why="nothing is known of why")
        if isinstance(self.speaker, TemplateSpeaker) or all(point.kind == "chain" for point in task.points):
            return _text(task, plain, "templates", self.status)
        try:
            said = self._worded(task)
        except ProviderError as error:
            return _text(task, plain, "fallback", f"llm: off, {error}")
        return self._keep(task, _text(task, said, self.speaker.name, self.status))

    def _worded(self, task: Task) -> list[Claim]:
        """A model's sentences that passed the check; raises ProviderError."""
        end, wrong = time.monotonic() + self.deadline, ""
        for _ in range(TRIES):
            left = end - time.monotonic()
            if left < LEAST:
                break
            said = self.speaker.word(task, left)
            wrong = "; ".join(dict.fromkeys(faults(task, said)))
            if not wrong:
                return said
        raise ProviderError(f"what {self.speaker.name} said was refused: {wrong}" if wrong else "no time was left")

    def _recall(self, task: Task) -> Text | None:
        with self._lock:
            if task in self._kept:
                self._kept.move_to_end(task)
            return self._kept.get(task)

    def _keep(self, task: Task, written: Text) -> Text:
        with self._lock:
            self._kept[task] = written
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return written


def _text(task: Task, claims: list[Claim], source: str, why: str) -> Text:
    """Fill in the names; a template that fails its own check is a fault of ours and is not shown."""
    said = claims if source not in ("templates", "fallback") else [claim for claim in claims if not faults(task, [claim])]
    ids = dict.fromkeys(name for claim in said for name in claim.fact_ids)
    return Text(text=text(task, said), fact_ids=list(ids), source=source, why=why)
