"""The user's guide as it ships with the program: topics by name, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

ORDER = ("start", "keys", "memory", "branches", "export", "privacy")
"""Every topic, in the order to read them."""


@cache
def topics() -> Mapping[str, str]:
    """Name to Markdown, in reading order. Reads six small files the first time."""
    folder = files("tui_chat").joinpath("guide")
    return MappingProxyType({name: folder.joinpath(f"{name}.md").read_text(encoding="utf-8") for name in ORDER})
