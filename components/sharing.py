"""Immutable things that are made once for all who need them, and kept for as long as one of them holds them."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")
_MADE: WeakValueDictionary[tuple[type[Any], *tuple[Hashable, ...]], Any] = WeakValueDictionary()


def shared(kind: type[T], key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """Give the one of this kind and key that somebody holds, else make it.

    Args:
        key: all that decides what is made: hashes of bytes, or `id` of what the made thing itself holds.
    """
    found = _MADE.get((kind, *key))
    if found is None:
        found = _MADE[(kind, *key)] = make()
    return found
