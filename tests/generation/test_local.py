"""A model in a folder: it chooses among texts that are right, and nothing else can come out of it."""

import json
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from components.generation.checker import text
from components.generation.messages import Claim, ProviderError, Task
from components.generation.phrases import variants
from components.generation.planner import reasons
from components.generation.providers.local import Local, LocalSpeaker
from components.generation.providers.trie import Trie
from components.generation.writer import Writer
from tests.generation.sheets import western


class Act(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["like", "avoid"]
    value: str


class Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    acts: list[Act]
    newer: bool
    most: int | None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with weights as they were drawn."""
    import torch

    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        special_tokens=["<end>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), vocab_size=400, show_progress=False
    )
    tokenizer.train_from_iterator(["it is directed by the one who stars in it too"] * 3, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(path)
    shape = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=1024, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(shape).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def speaker(folder: Path) -> LocalSpeaker:
    return Local(folder=folder).start()


def test_its_reason_is_one_of_the_wordings(speaker: LocalSpeaker) -> None:
    sheet = western()
    found = Writer(speaker, deadline=30).reason(sheet)
    task = Task(sheet, reasons(sheet, "short"), "reason", "en", "plain", "short")
    options = {text(task, [Claim(text=written, fact_ids=list(task.points[0].fact_ids))]) for written in variants(task, 0)}
    assert found.text in options
    assert (found.source, found.why) == ("local", "llm: on, local")


def test_it_speaks_chinese_and_long(speaker: LocalSpeaker) -> None:
    found = Writer(speaker, deadline=60).copy(western(), "zh", "warm", "medium")
    assert found.source == "local", found.why
    assert "克林特" not in found.text
    assert "Unforgiven" in found.text


def test_its_reading_has_only_what_was_said_or_what_the_catalogue_has(speaker: LocalSpeaker) -> None:
    said = "I like Pulp Ficton and 90 minutes at most"
    found = speaker.parse(said, Turn, {"Pulp Fiction", "Gigli"}, 60)
    assert all(act.value in said or act.value == "Pulp Fiction" for act in found.acts)
    assert found.most in (None, 90)


class Slow:
    def choose(self, text: str, options: list[str], end: float) -> str:
        time.sleep(1)
        return options[0]


def test_the_deadline_holds(speaker: LocalSpeaker) -> None:
    with pytest.raises(ProviderError, match="time"):
        speaker.parse("I like long films with many names in them", Turn, (), 0.001)
    begun = time.monotonic()
    found = Writer(LocalSpeaker(Slow()), deadline=0.3).reason(western())
    assert time.monotonic() - begun < 0.5
    assert (found.source, found.why) == ("fallback", "llm: off, no answer in time")


@pytest.mark.parametrize("break_", ["weights", "code", "config", "folder"])
def test_a_folder_that_is_none_is_told(break_: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.mkdir()
    for file in folder.iterdir():
        if not (break_ == "weights" and file.suffix == ".safetensors") and not (break_ == "config" and file.name == "config.json"):
            (path / file.name).write_bytes(file.read_bytes())
    if break_ == "weights":
        (path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    if break_ == "code":
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    started = Local(folder=tmp_path / "nowhere" if break_ == "folder" else path).start()
    wanted = {"weights": "no *.safetensors", "code": "code of its own", "config": "no such file", "folder": "no such file"}
    assert wanted[break_] in started.idle
    found = Writer(started).reason(western())
    assert (found.source, found.why) == ("fallback", f"llm: off, {started.idle}")


def test_trie() -> None:
    trie = Trie.of([[1, 2], [1, 3, 4], [1]], end=0)
    assert trie.allowed([]) == [1]
    assert trie.allowed([1]) == [2, 3, 0]
    assert trie.allowed([1, 3]) == [4]
    assert trie.allowed([1, 2]) == trie.allowed([9]) == [0]


def test_the_shipped_settings_name_the_fields_there_are() -> None:
    import yaml

    from components import nodes

    for path in sorted((Path(__file__).parents[2] / "conf" / "provider").glob("*.yaml")):
        value: Any = yaml.safe_load(path.read_text())
        nodes.check(value, path.stem)
        assert nodes.plain(nodes.build(value, path.stem))["_target_"] == value["_target_"]
