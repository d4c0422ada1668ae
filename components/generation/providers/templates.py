"""No model: sentences by templates."""

from collections.abc import Collection
from dataclasses import dataclass

from components.generation.messages import Claim, ProviderError, S, Task
from components.generation.phrases import phrases
from components.schema import node

NONE = "no model is configured"


@dataclass(frozen=True)
class TemplateSpeaker:
    """Words by templates; reads nothing."""

    name: str = "templates"
    idle: str = NONE

    def word(self, task: Task, deadline: float) -> list[Claim]:
        """Word a task's points; takes no time worth a deadline."""
        return phrases(task)

    def parse(self, utterance: str, schema: type[S], names: Collection[str], deadline: float) -> S:
        """Refuse: without a model the caller reads by itself."""
        raise ProviderError(NONE)


@node
class Templates:
    """The provider that needs no model."""

    def start(self) -> TemplateSpeaker:
        """Nothing to start."""
        return TemplateSpeaker()
