"""A causal language model in a folder on this machine; it writes nothing but texts that it was given to choose from."""

import json
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import PositiveInt

from components import artifacts
from components.errors import DataError
from components.generation.checker import faults
from components.generation.messages import Claim, ProviderError, S, Task
from components.generation.phrases import phrases, variants
from components.generation.providers.filling import Choose, fill
from components.generation.providers.prompt import READING
from components.generation.providers.reading import closed, heard, understood
from components.generation.providers.trie import Trie
from components.schema import node

V = TypeVar("V")
NOTHING = "no model"


@node
class Local:
    """A folder as `save_pretrained` writes it: config.json, a tokenizer, weights as safetensors.

    Weights in another format and models that bring code of their own are refused; nothing is fetched.

    Attributes:
        tokens: of one sentence, at most.
        threads: of the processor.
    """

    folder: Path
    tokens: PositiveInt = 96
    threads: PositiveInt = 1

    def start(self) -> "LocalSpeaker":
        """Load the model and let it write a word; what is wrong is told by `idle`."""
        try:
            model = _load(self)
        except (DataError, OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            return LocalSpeaker(None, str(error).partition("\n")[0][:200] or NOTHING)
        speaker = LocalSpeaker(model)
        speaker.choose("a", ["b", "c"], time.monotonic() + 60)
        return speaker


@dataclass(frozen=True)
class _Model:
    """A loaded model and its tokenizer."""

    net: Any
    tokenizer: Any
    tokens: int

    def choose(self, text: str, options: Sequence[str], end: float) -> str:
        """The option that greedy decoding writes after a text; raises ProviderError when time is over."""
        from transformers import MaxTimeCriteria, StoppingCriteriaList

        given = self.tokenizer(text, return_tensors="pt", truncation=True, max_length=self._room()).input_ids
        stop = int(self.tokenizer.eos_token_id)
        coded = {tuple(self.tokenizer(option, add_special_tokens=False).input_ids[: self.tokens]): option for option in options}
        trie, start = Trie.of(coded, stop), given.shape[1]
        left = end - time.monotonic()
        if left <= 0:
            raise ProviderError("no time was left")
        found = self.net.generate(
            given,
            attention_mask=given.new_ones(given.shape),
            max_new_tokens=self.tokens + 1,
            do_sample=False,
            num_beams=1,
            pad_token_id=stop,
            eos_token_id=stop,
            prefix_allowed_tokens_fn=lambda _, written: trie.allowed(written[start:].tolist()),
            stopping_criteria=StoppingCriteriaList([MaxTimeCriteria(max_time=left)]),
        )
        written = tuple(token for token in found[0, start:].tolist() if token != stop)
        if written not in coded:
            raise ProviderError("no time was left")
        return coded[written]

    def _room(self) -> int:
        longest = int(getattr(self.net.config, "max_position_embeddings", 1024))
        return max(1, longest - self.tokens - 1)


@dataclass
class LocalSpeaker:
    """Lets the model choose among sentences, and among what a turn may mean; one call at a time, each ends by its deadline."""

    model: _Model | None
    idle: str = ""
    name: str = "local"
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "provider"), repr=False)

    def word(self, task: Task, deadline: float) -> list[Claim]:
        """Choose a wording of each point."""
        end = time.monotonic() + deadline
        return self._by(end, lambda: _worded(task, lambda text, options: self.choose(text, options, end)))

    def parse(self, utterance: str, schema: type[S], names: Collection[str], deadline: float) -> S:
        """Fill a closed schema field by field, text by names of the catalogue or by words of the turn."""
        said, end = heard(utterance), time.monotonic() + deadline
        text = f"{READING}\n{json.dumps({'turn': said}, ensure_ascii=False)}\n"
        asked = closed(schema)
        answer = self._by(end, lambda: fill(asked, said, names, text, lambda text, options: self.choose(text, options, end)))
        return understood(json.dumps(answer, ensure_ascii=False), schema, said, names)

    def choose(self, text: str, options: Sequence[str], end: float) -> str:
        """Choose one of some texts as what comes next; raises ProviderError."""
        if self.model is None:
            raise ProviderError(self.idle)
        return options[0] if len(options) == 1 else self.model.choose(text, options, end)

    def _by(self, end: float, call: Callable[[], V]) -> V:
        if self.model is None:
            raise ProviderError(self.idle)
        waiting: Future[V] = self._worker.submit(call)
        try:
            return waiting.result(max(0.0, end - time.monotonic()))
        except Late:
            waiting.cancel()
            raise ProviderError("no answer in time") from None


def _worded(task: Task, choose: Choose) -> list[Claim]:
    """One sentence for each point, chosen among the wordings that pass the check."""
    said: list[Claim] = []
    for place, draft in enumerate(phrases(task)):
        text = " ".join(claim.text for claim in said)
        written = variants(task, place) if place < len(task.points) else [draft.text]
        good = [option for option in dict.fromkeys(written) if not faults(task, [Claim(text=option, fact_ids=draft.fact_ids)])]
        said.append(Claim(text=choose(f"{text} ", good or [draft.text]), fact_ids=draft.fact_ids))
    return said


def _load(settings: Local) -> _Model:
    folder = settings.folder
    config = artifacts.read_json(folder / "config.json")
    if "auto_map" in config:
        raise DataError(f"{folder}: brings code of its own, which is not run; take a model of an architecture that transformers has")
    if not list(folder.glob("*.safetensors")):
        raise DataError(f"{folder}: no *.safetensors; weights in other formats are not read")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(settings.threads)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    net: Any = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **options)
    if tokenizer.eos_token_id is None:
        raise DataError(f"{folder}: its tokenizer has no end-of-text token")
    return _Model(net.eval(), tokenizer, settings.tokens)
