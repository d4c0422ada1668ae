"""The reading of a turn by a model, checked: a closed schema, and no text but the person's own and the catalogue's names."""

from collections.abc import Collection, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from components.generation.clean import NAME, clean, orders, spoken
from components.generation.messages import ProviderError, S
from components.generation.providers.filling import alike

KEYS = frozenset({"enum", "const"})


def heard(utterance: str) -> str:
    """A turn as it may be handed to a model; raises ProviderError for one that gives orders, or says nothing."""
    if orders(utterance):
        raise ProviderError("the turn gives orders to its reader, so no model reads it")
    if not (said := spoken(utterance)):
        raise ProviderError("the turn says nothing")
    return said


def closed(schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model; raises ValueError where it lets any field through."""
    found = schema.model_json_schema()
    for part in [found, *found.get("$defs", {}).values()]:
        if part.get("type") == "object" and part.get("additionalProperties", True) is not False:
            raise ValueError(f"{schema.__name__}: {part.get('title')} is not closed; give it model_config = ConfigDict(extra='forbid')")
    return found


def understood(answer: str, schema: type[S], said: str, names: Collection[str]) -> S:
    """Validate an answer; raises ProviderError where it does not fit the schema, or says what neither turn nor catalogue does.

    Args:
        said: the turn, as it was handed to the model.
        names: names of the catalogue; one may stand for what the turn spells almost so.
    """
    try:
        found = schema.model_validate_json(answer, strict=True)
    except (ValidationError, ValueError, RecursionError):
        raise ProviderError("the answer does not fit the schema") from None
    folded, fixed = said.casefold(), set(_fixed(closed(schema)))
    for text in _texts(found.model_dump(mode="json")):
        if text in fixed or not text:
            continue
        if len(text) > NAME or clean(text) != text or not (text.casefold() in folded or (text in names and alike(text, said))):
            raise ProviderError("the answer says what the turn does not")
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text in plain data but the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _fixed(schema: Any) -> Iterator[str]:
    """The texts that a schema itself lists."""
    if isinstance(schema, dict):
        for key, inner in schema.items():
            if key in KEYS:
                yield from (inner if isinstance(inner, list) else [inner])
            else:
                yield from _fixed(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _fixed(inner)
