"""Files to attach: small ones of every kind that a request can carry."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib

from tui_chat.core.models import Attachment

WIDTH, HEIGHT = 37, 21
"""Of the images below."""

# fmt: off
_ENCODED = {
    # As Pillow writes them; the JPEGs end behind the header of their frame.
    "image/jpeg baseline":
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP////////////////////////////////////////////////////////////////////////"
        "//////////////2wBDAf//////////////////////////////////////////////////////////////////////////////////////"
        "wAARCAAVACUDASIAAhEBAxEB",
    "image/jpeg progressive":
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP////////////////////////////////////////////////////////////////////////"
        "//////////////2wBDAf//////////////////////////////////////////////////////////////////////////////////////"
        "wgARCAAVACUDASIAAhEBAxEB",
    "image/gif 87a":
        "R0lGODdhJQAVAIEAAMgeHgAAAAAAAAAAACwAAAAAJQAVAEAILwABCBxIsKDBgwgTKlzIsKHDhxAjSpxIsaLFixgzatzIsaPHjyBDihxJsq"
        "RJkgEBADs=",
    "image/webp lossy":
        "UklGRkIAAABXRUJQVlA4IDYAAAAwAwCdASolABUAP83m7XA/uDIrJWgD8DmJZwDIIBJjuugAAP7Qym79v3Z2i0xsRjzGh9AAAAA=",
    "image/webp lossless":
        "UklGRh4AAABXRUJQVlA4TBEAAAAvJAAFAAdQjyLXo/+BiOh/AAA=",
    "image/webp extended":
        "UklGRlgAAABXRUJQVlA4WAoAAAAQAAAAJAAAFAAAQUxQSAoAAAABB1CyiAhERP8DVlA4ICgAAADwAgCdASolABUAP83m7XA/uDIrJWgD8D"
        "mJaQAAKUNt8AD+6WOCgAAA",
}
# fmt: on


def png(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(width + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


IMAGES = {"image/png": png(), **{kind: base64.b64decode(encoded) for kind, encoded in _ENCODED.items()}}
"""One of each format that is sent, and of each way to write its size; the first word is the format."""


def attached(data: bytes | str, mime: str = "text/plain", name: str = "notes.txt") -> Attachment:
    """A file with that content, whatever it says that it is."""
    content = data.encode() if isinstance(data, str) else data
    return Attachment(name, mime, hashlib.sha256(content).hexdigest(), content)


def picture(width: int = WIDTH, height: int = HEIGHT, name: str = "photo.png") -> Attachment:
    """A PNG of that size."""
    return attached(png(width, height), "image/png", name)
