"""The Markdown parser, and what is read from a text without showing it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_NESTING = 100
"""Containers within containers that are parsed; far above what is drawn (``blocks.MAX_DEPTH``)."""


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    options = {"html": False, "linkify": False, "maxNesting": MAX_NESTING}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"])


def parse(text: str, references: MutableMapping[str, Any] | None = None) -> list[Token]:
    """The text's tokens; ``references`` are link definitions known already, new ones are added to it."""
    return _parser().parse(text, {"references": references if references is not None else {}})


def closings(tokens: Sequence[Token]) -> list[int]:
    """For each token the index of the one that closes it; its own where it stands alone."""
    closing = list(range(len(tokens)))
    open_ones: list[int] = []
    for index, token in enumerate(tokens):
        if token.nesting == 1:
            open_ones.append(index)
        elif token.nesting == -1:
            closing[open_ones.pop()] = index
    return closing


def code_blocks(text: str) -> list[str]:
    """The sources of the fenced code blocks, in order, exactly as they were written."""
    return [token.content for token in parse(text) if token.type == "fence"]
