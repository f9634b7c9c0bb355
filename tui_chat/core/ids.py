"""Identifiers: UUIDv7, so that ids sort by creation and their last characters are random."""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = 0


def make_id() -> str:
    """A new UUIDv7 (RFC 9562, 5.7), greater than every one made before in this process."""
    global _last
    with _lock:
        # 48 bits of milliseconds, then 12 bits that count within one (RFC 9562, 6.2, method 1).
        tick = max((time.time_ns() // 1_000_000) << 12, _last + 1)
        _last = tick
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    value = (tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 2 << 62 | random
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
