"""The body of a request: JSON in UTF-8, without a blank that says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO

from tui_chat.core.models import clean_surrogates

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encoded(body: Mapping[str, object]) -> bytes:
    """The body as it goes out; lone surrogates become U+FFFD.

    Each text by itself: as one text, a single emoji would have all images take four times their memory.
    """
    document = BytesIO()
    for piece in _ENCODER.iterencode(body):
        document.write(clean_surrogates(piece).encode())
    return document.getvalue()
