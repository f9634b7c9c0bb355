"""How a file that goes with a message is named in one line."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from tui_chat.core.attachments import clean_name, image_of, is_image, is_text
from tui_chat.core.models import Attachment

CLIP = "📎"
"""The mark of a file; it needs no colour."""

_LONGEST_ENDING = 8


def size_words(size: int) -> str:
    """``12.3 kB``; bytes below a thousand are counted."""
    if size < 1_000:
        return "1 byte" if size == 1 else f"{size} bytes"
    return f"{size / 1_000:.1f} kB" if size < 999_950 else f"{size / 1_000_000:.1f} MB"


def name_words(attachment: Attachment, width: int) -> str:
    """The name in at most so many cells; its ending stays where there is room."""
    name = clean_name(attachment.name)
    if cell_len(name) <= width:
        return name
    stem, dot, ending = name.rpartition(".")
    end = f"…{dot}{ending}" if stem and cell_len(ending) <= _LONGEST_ENDING < width - 4 else "…"
    room = max(1, width - cell_len(end))
    return set_cell_size(stem or name, room).rstrip() + end


def file_words(attachment: Attachment, width: int, *, more: str = "", short: bool = False) -> str:
    """``📎 notes.txt · 12.3 kB`` in about so many cells, an image that is at hand with its pixels, then ``more``.

    One that is ``short`` says no size.
    """
    rest = more if short else f" · {size_words(attachment.size)}{more}"
    if not short and is_image(attachment) and attachment.is_loaded and (image := image_of(attachment)) is not None:
        rest = f" · {image.width}×{image.height}{rest}"
    return f"{CLIP} {name_words(attachment, max(4, width - cell_len(rest) - cell_len(CLIP) - 1))}{rest}"


def is_sendable(attachment: Attachment, *, takes_images: bool) -> bool:
    """Whether a request carries anything of it."""
    return is_text(attachment) or (takes_images and is_image(attachment))
