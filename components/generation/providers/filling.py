"""A closed schema filled field by field: the structure is ours, a model only chooses."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

Choose = Callable[[str, Sequence[str]], str]
ENTRIES, WORDS, LETTERS = 6, 6, 10  # of a list; of a text from the turn, in words, or in characters where there are no blanks
ALIKE = 80.0  # percent of likeness from which a name of the catalogue may be what a turn means
TEXTS = 200


def fill(schema: dict[str, Any], said: str, names: Collection[str], text: str, choose: Choose) -> Any:
    """Fill a JSON schema.

    Args:
        said: the turn; its words and numbers are what text and numbers are chosen from, beside `names` that are like it.
        text: what the model has read before.
        choose: takes what was written so far and the options.
    """
    return _Form(schema.get("$defs", {}), _texts(said, names), _numbers(said), choose).value(schema, text)


def alike(name: str, said: str) -> bool:
    """Whether a turn may mean a name."""
    return fuzz.partial_ratio(name.casefold(), said.casefold()) >= ALIKE


@dataclass(frozen=True)
class _Form:
    """What a form is filled from."""

    defs: dict[str, Any]
    texts: list[str]
    numbers: list[str]
    choose: Choose

    def value(self, schema: dict[str, Any], text: str) -> Any:
        """One value of a schema."""
        if "$ref" in schema:
            return self.value(self.defs[schema["$ref"].rpartition("/")[2]], text)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one(text, schema["enum"])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                kinds = {_label(option): option for option in schema[key]}
                return self.value(kinds[self.choose(text, list(kinds))], text)
        return self._typed(schema, text)

    def _typed(self, schema: dict[str, Any], text: str) -> Any:
        match schema.get("type"):
            case "object":
                return self._object(schema, text)
            case "array":
                return self._list(schema, text)
            case "boolean":
                return self._one(text, [False, True])
            case "integer" | "number" as kind:
                chosen = self.choose(text, self.numbers) if self.numbers else "0"
                return int(float(chosen)) if kind == "integer" else float(chosen)
            case "string":
                return json.loads(self.choose(text, [json.dumps(each, ensure_ascii=False) for each in self.texts])) if self.texts else ""
            case _:
                return None

    def _one(self, text: str, options: Sequence[Any]) -> Any:
        return json.loads(self.choose(text, [json.dumps(option, ensure_ascii=False) for option in options]))

    def _object(self, schema: dict[str, Any], text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, inner in schema.get("properties", {}).items():
            written = json.dumps(found, ensure_ascii=False)[:-1] + (", " if found else "")
            found[name] = self.value(inner, f'{text}{written}"{name}": ')
        return found

    def _list(self, schema: dict[str, Any], text: str) -> list[Any]:
        found: list[Any] = []
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", ENTRIES), ENTRIES)
        while len(found) < most:
            written = text + json.dumps(found, ensure_ascii=False)[:-1]
            if len(found) >= least and self.choose(written, ["]", ", " if found else " "]) == "]":
                break
            found.append(self.value(schema["items"], written + (", " if found else "")))
        return found


def _label(schema: dict[str, Any]) -> str:
    return str(schema.get("title") or schema.get("type") or schema.get("$ref", "value").rpartition("/")[2])


def _texts(said: str, names: Collection[str]) -> list[str]:
    """What a text may be: names that are like the turn, then runs of its words."""
    near = sorted(name for name in names if alike(name, said))
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", said)
    runs = [" ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, min(start + WORDS, len(words)) + 1)]
    dense = [run for word in words if not word.isascii() for run in _runs(word)]
    return list(dict.fromkeys([*near, *(run for run in runs if run in said), *dense]))[:TEXTS]


def _runs(word: str) -> list[str]:
    return [word[start:end] for start in range(len(word)) for end in range(start + 1, min(start + LETTERS, len(word)) + 1)]


def _numbers(said: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"\d{1,6}(?:\.\d{1,3})?", said)))
