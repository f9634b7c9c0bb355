"""What can be told of an image by the first bytes of it: its format, its size, and about how many tokens it costs.

Nothing is decoded. The parsers look at a bounded number of bytes, and believe none of them: an image that is
cut short or not what it says has no size, and is then not sent.
"""

from __future__ import annotations

from dataclasses import dataclass

PATCH = 28
"""Pixels of a patch's side. As Anthropic documents it, an image costs a token for each patch that it is cut into;
Qwen's vision models, and so local ones, use patches of the same size."""

LONGEST_SCALED = 2576
MOST_TOKENS = 4784
"""Larger images are scaled down by the service, to a longer side and a number of tokens of at most so many
(Anthropic's newest models; its older ones take 1,568 of both)."""

LEAST_TOKENS = 258
"""What Gemini documents for a small image; Gemma counts 256 for any, OpenAI 255 for one of 512 by 512 pixels.
Gemini and OpenAI's smallest models may count more than this rule for images of middle size: 6 tiles of 258, or
2.46 tokens a patch. Their windows are so large that it costs no refusal."""

_MOST_SEGMENTS = 2000
"""Of a JPEG before its size: a profile takes up to 255 of them."""


@dataclass(frozen=True, slots=True)
class Image:
    """A format, and the size in pixels; never 0."""

    mime: str
    width: int
    height: int

    @property
    def tokens(self) -> int:
        """About how many it costs, whichever model takes it."""
        longer = max(self.width, self.height)
        width, height = self.width, self.height
        if longer > LONGEST_SCALED:
            width, height = width * LONGEST_SCALED // longer, height * LONGEST_SCALED // longer
        patches = max(1, -(-width // PATCH)) * max(1, -(-height // PATCH))
        return min(MOST_TOKENS, max(LEAST_TOKENS, patches))


def format_of(data: bytes) -> str | None:
    """The format that the data begins as, whether or not the rest is sound; None for anything else."""
    for mime, beginning in _BEGINNINGS:
        if data.startswith(beginning) and (mime != "image/webp" or data[8:12] == b"WEBP"):
            return mime
    return None


def image_of(data: bytes) -> Image | None:
    """The image that this is; None for anything else, and where its size cannot be read."""
    mime = format_of(data)
    if mime is None:
        return None
    width, height = _SIZES[mime](data)
    return Image(mime, width, height) if width and height else None


_BEGINNINGS = (
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
    ("image/webp", b"RIFF"),
)

_NO_SIZE = (0, 0)
_Size = tuple[int, int]


def _png(data: bytes) -> _Size:
    if data[12:16] != b"IHDR":
        return _NO_SIZE
    return _big(data, 16, 4), _big(data, 20, 4)


def _gif(data: bytes) -> _Size:
    return _little(data, 6, 2), _little(data, 8, 2)


def _jpeg(data: bytes) -> _Size:
    """The size in the first frame's header, found by going from segment to segment."""
    place = 2
    for _ in range(_MOST_SEGMENTS):
        if data[place : place + 1] != b"\xff":
            return _NO_SIZE
        marker = _big(data, place + 1, 1)
        if marker == 0xFF:  # padding before a marker
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(data, place + 7, 2), _big(data, place + 5, 2)
        elif marker in (0xD9, 0xDA):  # the end, or the picture itself
            return _NO_SIZE
        else:
            place += 2 + max(2, _big(data, place + 2, 2))
    return _NO_SIZE


def _webp(data: bytes) -> _Size:
    match data[12:16]:
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
        case b"VP8L" if data[20:21] == b"\x2f" and len(data) >= 25:
            bits = _little(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X" if len(data) >= 30:
            return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
    return _NO_SIZE


_SIZES = {"image/png": _png, "image/gif": _gif, "image/jpeg": _jpeg, "image/webp": _webp}


def _big(data: bytes, place: int, length: int) -> int:
    """That number; 0 where the data ends before it does."""
    piece = data[place : place + length]
    return int.from_bytes(piece, "big") if len(piece) == length else 0


def _little(data: bytes, place: int, length: int) -> int:
    piece = data[place : place + length]
    return int.from_bytes(piece, "little") if len(piece) == length else 0
