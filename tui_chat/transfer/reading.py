"""Reads parsed JSON strictly: every value by its place, every place accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from tui_chat.core.clock import LATEST, Millis, from_rfc3339
from tui_chat.core.errors import BadInput
from tui_chat.core.models import Part, clean_surrogates
from tui_chat.core.parts import from_json

Word = TypeVar("Word", bound=StrEnum)
Value = TypeVar("Value")

LARGEST = 2**53 - 1
"""The largest whole number that every JSON program keeps exactly."""

_ID = re.compile(r"[!-~]{1,100}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def refusal(path: str, what: str) -> BadInput:
    """Why a file is not taken, naming the place and never the text that stands there."""
    return BadInput(f"The file is not understood: {path or 'the document'} {what}.", hint="Nothing was imported.")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its JSON path. Each method returns what is asked for or raises BadInput."""

    path: str
    value: Any

    def refused(self, what: str) -> BadInput:
        return refusal(self.path, what)

    def table(self) -> Table:
        if not isinstance(self.value, dict):
            raise self.refused("is not an object")
        return Table(self.path, {name: Node(self._below(name), value) for name, value in self.value.items()})

    def items(self) -> Sequence[Node]:
        if not isinstance(self.value, list):
            raise self.refused("is not a list")
        return [Node(f"{self.path}[{place}]", value) for place, value in enumerate(self.value)]

    def optional(self, read: Callable[[Node], Value]) -> Value | None:
        return None if self.value is None else read(self)

    def text(self) -> str:
        """A text; lone surrogates become U+FFFD, as wherever text enters."""
        if not isinstance(self.value, str):
            raise self.refused("is not a text")
        return clean_surrogates(self.value)

    def id(self) -> str:
        if not isinstance(self.value, str) or not _ID.fullmatch(self.value):
            raise self.refused("is not an id (1 to 100 visible ASCII characters)")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.refused("is neither true nor false")
        return self.value

    def number(self) -> int:
        """A whole number from 0 to ``LARGEST``."""
        if type(self.value) is not int or not 0 <= self.value <= LARGEST:
            raise self.refused("is not a whole number")
        return self.value

    def time(self) -> Millis:
        if not isinstance(self.value, str) or not _TIME.fullmatch(self.value):
            raise self.refused("is not a time (RFC 3339)")
        try:
            instant = from_rfc3339(self.value)
        except (ValueError, OverflowError):
            raise self.refused("is not a time (RFC 3339)") from None
        if not 0 <= instant <= LATEST:
            raise self.refused("is before 1970 or at the end of the year 9999")
        return instant

    def one_of(self, words: type[Word]) -> Word:
        try:
            return words(self.value)
        except ValueError:
            raise self.refused(f"is none of {', '.join(words)}") from None

    def part(self) -> Part:
        try:
            return from_json(self.value)
        except ValueError as error:
            raise self.refused(f"is not understood ({error})") from None

    def _below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class Table:
    """The fields of an object: each is taken once, and none may be left over."""

    def __init__(self, path: str, fields: dict[str, Node]) -> None:
        self._path = path
        self._fields = fields

    def __getitem__(self, name: str) -> Node:
        if name not in self._fields:
            raise refusal(self._path, f"has no “{name}”")
        return self._fields[name]

    def pop(self, name: str) -> Node:
        """The field of that name. Raises BadInput where it is missing."""
        node = self[name]
        del self._fields[name]
        return node

    def pop_optional(self, name: str) -> Node | None:
        """The field of that name; None where it is missing."""
        return self._fields.pop(name, None)

    def end(self) -> None:
        """Raise BadInput where a field was not taken; its name is the file's text and is not repeated."""
        if self._fields:
            raise refusal(self._path, f"has {len(self._fields)} unknown field(s)")
