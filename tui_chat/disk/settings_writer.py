"""Changes a TOML text in the places that differ and nowhere else: comments and order stay."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import tomlkit
from tomlkit.items import Comment, Table, Whitespace

Path = tuple[str, ...]


def rewritten(text: str, changes: Mapping[Path, Any]) -> str:
    """The text with each path set to its value, or taken out where the value is None."""
    document = tomlkit.parse(text)
    for path, value in changes.items():
        if value is None:
            _remove(document, path)
        else:
            _set(document, path, value)
    return tomlkit.dumps(document)


def _set(document: tomlkit.TOMLDocument, path: Path, value: object) -> None:
    table: MutableMapping[str, Any] = document
    for depth, name in enumerate(path[:-1]):
        if not isinstance(table.get(name), MutableMapping):
            # [endpoints] itself needs no header of its own above [endpoints.NAME].
            above = depth < len(path) - 2
            added = tomlkit.table(is_super_table=above)
            added.trivia.indent = "" if above else "\n"
            table[name] = added
        table = cast(MutableMapping[str, Any], table[name])
    if place := _place(table, path[-1]):
        place[0][place[1]] = value
    elif isinstance(table, Table):
        _append(table, path[-1], value)
    else:
        table[path[-1]] = value


def _append(table: Table, name: str, value: object) -> None:
    """Add a value after the table's last one: what follows it (blank lines, comments) belongs to the next table."""
    body = table.value.body
    following = []
    while body and body[-1][0] is None and isinstance(body[-1][1], Comment | Whitespace):
        following.append(body.pop())
    table.append(name, value)
    body.extend(reversed(following))


def _remove(document: tomlkit.TOMLDocument, path: Path) -> None:
    tables: list[MutableMapping[str, Any]] = [document]
    for name in path[:-1]:
        below = tables[-1].get(name)
        if not isinstance(below, MutableMapping):
            return
        tables.append(below)
    place = _place(tables[-1], path[-1])
    if place is None:
        return
    del place[0][place[1]]
    for above, name, below in reversed(list(zip(tables, path[:-1], tables[1:], strict=False))):
        if _is_empty(below):
            del above[name]


def _place(table: MutableMapping[str, Any], name: str) -> tuple[MutableMapping[str, Any], str] | None:
    """Where a name with dots stands: as one quoted name, or as tables in tables."""
    if name in table:
        return table, name
    first, dot, rest = name.partition(".")
    while dot:
        below = table.get(first)
        if isinstance(below, MutableMapping) and (place := _place(below, rest)):
            return place
        more, dot, rest = rest.partition(".")
        first = f"{first}.{more}"
    return None


def _is_empty(value: object) -> bool:
    return isinstance(value, MutableMapping) and all(_is_empty(below) for below in value.values())
