"""A request before it is sent, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from ._failure import ProtocolError

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True)
class Request(Generic[T]):
    """A request whose answer is JSON."""

    method: str
    path: str
    parse: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    is_create: bool = False
    """Whether it makes something: then a key makes it safe to repeat."""
    waits: bool = False
    """Whether its answer comes when something has ended, however long that takes."""


def place(value: str | int) -> str:
    """A value as a part of a path."""
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} names nothing: it cannot be a part of a path")
    return quote(str(value), safe="")


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was given."""
    return {key: value for key, value in values.items() if value is not None}


def to_json(value: Any) -> Any:
    """An argument as a request writes it: a model, or a mapping in the API's own names."""
    return value.to_json() if hasattr(value, "to_json") else dict(value)


def enveloped(answer: Any, read: Callable[[Any], T]) -> T:
    """What lies in the envelope of an answer."""
    if not isinstance(answer, dict) or answer.get("success") is not True or "data" not in answer:
        raise ProtocolError("the answer is not one of Atoll: is the base URL right?")
    return read(answer["data"])


def page(answer: Any, read: Callable[[Any], T]) -> Page[T]:
    """One page of a list."""
    items = enveloped(answer, lambda data: [read(item) for item in data])
    return Page(items, answer.get("nextCursor"))
