"""Writes the bytes of GGUF headers, right ones and wrong ones, byte for byte as a test wants them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float | bool | Sequence[int] | Sequence[str]

LLAMA: Mapping[str, Value] = {
    "general.architecture": "llama",
    "general.type": "model",
    "llama.context_length": 131072,
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "tokenizer.ggml.tokens": ["a", "b"],
}
"""A model of eight billion parameters, as far as its header goes."""


def llama(changed: Mapping[str, Value]) -> Mapping[str, Value]:
    """That model with other figures; new ones stand before its vocabulary, as in every real file."""
    return {**changed, **{key: value for key, value in LLAMA.items() if key not in changed}}


def gguf(entries: Mapping[str, Value] = LLAMA, *, version: int = 3, count: int | None = None) -> bytes:
    """A file's beginning with these entries in their order; ``count`` is what it claims."""
    body = b"".join(text(key) + typed(value) for key, value in entries.items())
    return b"GGUF" + struct.pack("<IQQ", version, 1, len(entries) if count is None else count) + body


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def typed(value: Value) -> bytes:
    """A value with its type before it."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<Iq", 11, value) if value < 0 else struct.pack("<IQ", 10, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(str(each)) for each in value)
    return struct.pack("<IIQ", 9, 4, len(value)) + b"".join(struct.pack("<I", each) for each in value)


def write(path: Path, data: bytes | None = None) -> Path:
    """Such a file, in folders that are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf() if data is None else data)
    return path
