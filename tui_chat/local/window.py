"""How many tokens of context a model is run with where the user does not say.

The model's trained window, but no more than ``LARGEST``, and no more than its cache has room for: a
quarter of this computer's memory, or half of what the weights leave of it where that is less. The rest
is for other programs. Never less than ``SMALLEST`` (or the trained window): a chat needs some room.
"""

from __future__ import annotations

import os

from tui_chat.core.settings import is_context_window
from tui_chat.local.header import Header

LARGEST = 32_768
"""Long enough for most chats; a processor without a GPU would read more for minutes."""

SMALLEST = 4_096

UNKNOWN = 8_192
"""For files that do not say what they were trained for."""

_STEP = 256
"""llama.cpp rounds windows to multiples of it."""

_BYTES = 2
"""Of one number in the cache (16 bits, llama.cpp's default)."""


def trained_window(header: Header) -> int | None:
    """The model's own figure in tokens; None where the file says none that a model could have."""
    tokens = header.number("context_length")
    return tokens if is_context_window(tokens) else None


def default_window(header: Header, size: int, memory: int | None = None) -> int:
    """Tokens for weights of ``size`` bytes on a computer with so many bytes of memory (None: this one)."""
    tokens = min(trained_window(header) or UNKNOWN, LARGEST)
    cache = cache_bytes(header)
    room = cache_room(size, memory or total_memory())
    if cache * tokens > room:
        tokens = max(room // cache // _STEP * _STEP, min(SMALLEST, tokens))
    return tokens


def cache_room(size: int, memory: int) -> int:
    """Bytes that the cache may take beside weights of ``size`` bytes."""
    return min(memory // 4, max(0, memory - size) // 2)


def cache_bytes(header: Header) -> int:
    """What one token of context takes in the cache, in bytes; 0 where the file does not say.

    Layers that look at the newest tokens only take less than is counted here.
    """
    heads = max(1, header.number("attention.head_count"))
    size = header.number("embedding_length") // heads
    key = header.number("attention.key_length") or size
    value = header.number("attention.value_length") or size
    kv_heads = header.shape.get("attention.head_count_kv", heads)
    if not isinstance(kv_heads, tuple):
        kv_heads = (kv_heads,) * min(header.number("block_count"), 10_000)
    return max(0, sum(kv_heads) * (key + value) * _BYTES)


def total_memory() -> int:
    """This computer's memory in bytes; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 8 * 2**30
