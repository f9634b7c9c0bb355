"""The user's guide as it ships with the program: topics by name, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

ORDER = ("start", "keys", "memory", "branches", "export", "privacy")
"""Every topic, in the order to read them."""

_BEGINS = re.compile(r"[-*+] |[0-9]+[.)] |[#>|]|```")
"""How a line begins that is a block of its own in the guide's Markdown."""


@cache
def topics() -> Mapping[str, str]:
    """Name to Markdown, in reading order. Reads six small files the first time."""
    folder = files("tui_chat").joinpath("guide")
    return MappingProxyType({name: folder.joinpath(f"{name}.md").read_text(encoding="utf-8") for name in ORDER})


def flowing(text: str) -> str:
    """A topic with each paragraph and list item on one line, for views in which a line end is a line end."""
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("```"):
            fenced = not fenced
            lines.append(line)
        elif not fenced and stripped and lines and _may_go_on(lines[-1]) and not _BEGINS.match(stripped):
            lines[-1] = f"{lines[-1]} {stripped}"
        else:
            lines.append(line)
    return "\n".join(lines)


def _may_go_on(line: str) -> bool:
    """Whether a line below this one may belong to it."""
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith(("#", "|", "```"))
