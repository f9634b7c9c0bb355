"""The block of quotations that retrieval puts behind a draft: quoted data, marked as such line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui_chat.core.context import Quotation


def block_of(quotations: Sequence[Quotation], texts: Mapping[str, str], draft: str) -> str:
    """What stands behind the draft in its message; empty without quotations."""
    if not quotations:
        return ""
    raise NotImplementedError
