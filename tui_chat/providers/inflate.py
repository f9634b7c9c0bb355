"""Bodies that come compressed although nobody asked for it, decoded without trusting how large they become.

A kilobyte may stand for a megabyte, and one that was compressed twice for a gigabyte: so no more than
``PIECE`` bytes are made at once, and what was compressed twice, or in a rarer way, is refused.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from tui_chat.core.errors import ServerFailed

PIECE = 65_536
"""Bytes; what a connection gives at once too."""

_HINT = "It was asked not to; a proxy on the way may do it. Choose another way or server."


def plain(pieces: AsyncIterator[bytes], encoding: str, *, name: str) -> AsyncIterator[bytes]:
    """The body as it was before its Content-Encoding. Raises ServerFailed for one that is not undone here."""
    match encoding.strip().lower():
        case "" | "identity":
            return pieces
        case "gzip" | "x-gzip" | "deflate":
            return _inflated(pieces, name)
    raise ServerFailed(f"{name} compressed its answer in a way that tui-chat does not read.", hint=_HINT)


async def _inflated(pieces: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header
    async for piece in pieces:
        while piece:
            try:
                decoded = decoder.decompress(piece, PIECE)
            except zlib.error as error:
                raise ServerFailed(f"{name} sent a compressed answer that is damaged.", hint=_HINT) from error
            piece = decoder.unconsumed_tail
            if decoded:
                yield decoded
            await asyncio.sleep(0)  # so much may come of one piece that others would not get their turn
    if rest := decoder.flush():
        yield rest
