"""Reads what the header of a GGUF file says of its model.

The file is somebody else's: no length and no count in it is believed. Reading never goes beyond
``LARGEST_HEADER`` bytes, allocates nothing by a number of the file, and keeps short values only.

::

    "GGUF"  version u32  tensors u64  entries u64      little-endian; versions 2 and 3
    entry:  key (u64 length, bytes)  type u32  value
    array:  type u32  count u64  values
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput, NotFound

MAGIC = b"GGUF"
VERSIONS = (2, 3)

FIRST_READ = 64 * 1024
"""Bytes that hold all that is looked for in nearly every file: it stands before the vocabulary."""

LARGEST_HEADER = 8 * 1024 * 1024
"""Bytes; a vocabulary of 260,000 words takes half of it."""

LONGEST_TEXT = 256
LONGEST_LIST = 1024
MOST_KEPT = 256
"""Bytes of a key and of a text, numbers of a list, and entries that are kept; what is beyond is passed over."""

MOST_PARTS = 999

NAME_LENGTH = 80

_TEXT, _ARRAY = 8, 9
_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_NUMBERS = {kind: struct.Struct(f"<{code}") for kind, code in _CODES.items()}
_LENGTH = struct.Struct("<Q")
_KIND = struct.Struct("<I")
_START = struct.Struct("<4sIQQ")

WANTED = frozenset(
    {
        "context_length",
        "block_count",
        "embedding_length",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.value_length",
    }
)
"""Figures of the shape, by their names behind the architecture's."""

_GENERAL = frozenset({"general.architecture", "general.type"})

_MOST_NAMES, _NAMED = 5_000, 3
"""Of a folder: names that are looked at, and files that are told of."""

_CHOOSE = "Choose a model's file; its name mostly ends in .gguf."

_CANNOT_CHAT = re.compile(r"clip|.*bert.*|.*embed.*|t5encoder", re.IGNORECASE)
"""Architectures of projectors and encoders: they answer no prompt."""

_PART = re.compile(r"(?P<name>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Header:
    """What was found; ``shape`` holds the architecture's figures by their names, numbers or lists of them."""

    architecture: str
    kind: str = "model"
    shape: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """A figure of the shape; of a list the largest, 0 where it is not said."""
        value = self.shape.get(name, 0)
        return max(value, default=0) if isinstance(value, tuple) else value

    @property
    def can_chat(self) -> bool:
        """Whether it is a language model, not an adapter, a projector or an encoder."""
        return self.kind == "model" and not _CANNOT_CHAT.fullmatch(self.architecture)


class TooShort(Exception):
    """The bytes end before what they announce."""


def read_header(path: Path, *, follow: bool) -> tuple[Header, int]:
    """The header of a regular file and the file's size in bytes; ``follow``: also through a symbolic link.

    Raises NotFound and BadInput. Blocks.
    """
    name = name_of(path)
    with _opened(path, follow=follow) as (descriptor, size):
        try:
            data = os.pread(descriptor, FIRST_READ, 0)
            return parse_header(data, whole=len(data) >= size, name=name), size
        except TooShort:
            data = os.pread(descriptor, LARGEST_HEADER, 0)
            return parse_header(data, whole=True, name=name), size


def parse_header(data: bytes, *, whole: bool, name: str = "The file") -> Header:
    """The header at the beginning of these bytes. Raises BadInput.

    Raises TooShort where they end before all is known and are not the ``whole`` of what may be read.
    """
    if not data.startswith(MAGIC):
        raise BadInput(f"{name} is not a GGUF file.", hint=_CHOOSE)
    if len(data) < _START.size:
        raise damaged(name)
    _, version, _, entries = _START.unpack_from(data)
    if version not in VERSIONS:
        raise BadInput(
            f"{name} is a GGUF file of a version that llama.cpp does not read here.",
            hint="Look for a newer file of the same model.",
        )
    found: dict[str, str | int | tuple[int, ...]] = {}
    try:
        _read_entries(data, entries, found)
    except TooShort:
        if not whole:
            raise
        if len(data) < LARGEST_HEADER:  # else the vocabulary is uncommonly large, and llama.cpp reads it itself
            raise damaged(name) from None
    except ValueError:
        raise damaged(name) from None
    return _header(found, name)


def name_of(path: Path) -> str:
    """What a model file is called: its name without ending and number of the part."""
    part = _PART.fullmatch(path.name)
    name = part["name"] if part else re.sub(r"\.gguf$", "", path.name, flags=re.IGNORECASE)
    return clean_name(name)


def clean_name(text: str) -> str:
    """One short clean line that a server takes as one alias: no commas, no outer blanks, never empty."""
    return " ".join(clean_line(text).replace(",", "_").split())[:NAME_LENGTH].strip() or "model"


def parts_of(path: Path) -> tuple[Path, ...]:
    """Every part of the model that this file belongs to, the first one first; the file alone if it is whole."""
    part = _PART.fullmatch(path.name)
    count = int(part["count"]) if part else 0
    if part is None or not 1 <= int(part["number"]) <= count <= MOST_PARTS:
        return (path,)
    return tuple(
        path.with_name(f"{part['name']}-{number:05}-of-{part['count']}{part['end']}") for number in range(1, count + 1)
    )


def damaged(name: str) -> BadInput:
    """The sentence for a file that is not what it says."""
    return BadInput(f"{name} is damaged or incomplete.", hint="Was its download interrupted? Fetch it again.")


# -- inside ---------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, *, follow: bool) -> Iterator[tuple[int, int]]:
    """A descriptor of a regular file, and its size. Nothing else is opened for good: a pipe would wait for ever."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    shown = clean_line(str(path))
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise NotFound(f"There is no file {shown}.", hint="Check the path.") from None
    except ValueError:  # a NUL in the name
        raise NotFound("There is no file of such a name.", hint="Check the path.") from None
    except OSError as error:
        raise _unreadable(shown, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            hint = _models_in(descriptor) if stat.S_ISDIR(status.st_mode) else _CHOOSE
            raise BadInput(f"{shown} is not a file.", hint=hint)
        yield descriptor, status.st_size
    except OSError as error:
        raise _unreadable(shown, error) from error
    finally:
        os.close(descriptor)


def _models_in(folder: int) -> str:
    """What a person could have meant who named a folder: the first of its files by name."""
    with os.scandir(folder) as entries:
        names = (entry.name for entry in islice(entries, _MOST_NAMES))
        found = sorted(clean_line(name) for name in names if name.lower().endswith(".gguf"))
    if not found:
        return "It is a folder with no .gguf file right in it. Name the model's file."
    more = ", …" if len(found) > _NAMED else ""
    return f"It is a folder; in it are {', '.join(found[:_NAMED])}{more}: add a name."


def _unreadable(shown: str, error: OSError) -> BadInput:
    return BadInput(f"{shown} cannot be read ({error.strerror}).", hint="Check its permissions.")


def _read_entries(data: bytes, count: int, found: dict[str, str | int | tuple[int, ...]]) -> None:
    """Put in what is looked for, as far as the bytes go. Each entry takes some of them, so it ends."""
    at = _START.size
    for _ in range(count):
        key, at = _text(data, at, LONGEST_TEXT)
        if key.startswith("tokenizer.") and _window_is_known(found):
            return  # the vocabulary is long, and what stands behind it is not needed
        kind, at = _unpack(_KIND, data, at)
        value, at = _value(data, at, kind, keep=key in _GENERAL or key.partition(".")[2] in WANTED)
        if value is not None and len(found) < MOST_KEPT:
            found[key] = value


def _value(data: bytes, at: int, kind: int, *, keep: bool) -> tuple[str | int | tuple[int, ...] | None, int]:
    if kind == _TEXT:
        text, at = _text(data, at, LONGEST_TEXT)
        return text if keep else None, at
    if kind == _ARRAY:
        return _array(data, at, keep=keep)
    number, at = _unpack(_number(kind), data, at)
    return number if keep and isinstance(number, int) else None, at


def _array(data: bytes, at: int, *, keep: bool) -> tuple[tuple[int, ...] | None, int]:
    kind, at = _unpack(_KIND, data, at)
    count, at = _unpack(_LENGTH, data, at)
    if kind == _TEXT:
        for _ in range(count):
            _, at = _text(data, at, 0)
        return None, at
    each = _number(kind)
    end = at + count * each.size
    if end > len(data):
        raise TooShort
    if not keep or count > LONGEST_LIST:
        return None, end
    numbers = tuple(each.unpack_from(data, place)[0] for place in range(at, end, each.size))
    return numbers if all(isinstance(number, int) for number in numbers) else None, end


def _number(kind: int) -> struct.Struct:
    """How a number of that type is laid out. Raises ValueError for a type that no file has."""
    layout = _NUMBERS.get(kind)
    if layout is None:
        raise ValueError("no such type")
    return layout


def _text(data: bytes, at: int, longest: int) -> tuple[str, int]:
    """The text at that place, empty where it is longer than what is kept, and where it ends."""
    length, at = _unpack(_LENGTH, data, at)
    end = at + length
    if end > len(data):
        raise TooShort
    return data[at:end].decode(errors="replace") if length <= longest else "", end


def _unpack(layout: struct.Struct, data: bytes, at: int) -> tuple[int, int]:
    try:
        return layout.unpack_from(data, at)[0], at + layout.size
    except struct.error:
        raise TooShort from None


def _window_is_known(found: Mapping[str, object]) -> bool:
    return f"{found.get('general.architecture')}.context_length" in found


def _header(found: Mapping[str, str | int | tuple[int, ...]], name: str) -> Header:
    architecture = found.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise damaged(name)
    kind = found.get("general.type", "model")
    shape = {
        wanted: value for wanted in WANTED if not isinstance(value := found.get(f"{architecture}.{wanted}", ""), str)
    }
    return Header(clean_name(architecture), kind if isinstance(kind, str) else "", shape)
