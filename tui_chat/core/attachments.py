"""Files that go with a message: what may be one, and what a request can carry of each.

A text is *expanded*: it stands in the message's own text, behind what the person wrote. An image is sent as one,
to models that take images. Everything else is kept, and no request carries it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tui_chat.core import images, tokens
from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput
from tui_chat.core.images import Image
from tui_chat.core.models import Attachment, Part, Role, ToolResult, clean_surrogates

MOST_TEXT = 5_000_000
"""Bytes: more than a window of a million tokens holds of any language."""

MOST_IMAGE = 20_000_000
"""Bytes: what Gemini takes in one request. Others take less, and say so."""

LONGEST_SIDE = 8_000
"""Pixels of an image: what Anthropic takes at most."""

MOST_FILE = 50_000_000
"""Bytes of anything else."""

LONGEST_NAME = 120

PLAIN = "text/plain"
PDF = "application/pdf"

_BETWEEN = "\n\n"
_TEXTS = re.compile(r"text/.+|application/(json|xml|yaml|x-yaml|toml|javascript|x-sh|sql|x-ndjson)|.+\+(json|xml)")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_TICKS = re.compile("`+")

# -- making one -------------------------------------------------------------------------------


def read(name: str, data: bytes) -> Attachment:
    """A file of that name as it goes with a message. What it is, its content says and never its name.

    Raises BadInput, with a sentence, for what is empty, too large, or neither text (UTF-8, or UTF-16 with its
    mark) nor image nor PDF.
    """
    name = clean_name(name)
    if not data:
        raise BadInput(f"{name} is empty.")
    mime = images.format_of(data)
    if mime is not None:
        _require_image(name, mime, data)
    elif data.startswith(b"%PDF-"):
        mime = PDF
        _require_size(name, data, MOST_FILE, "a file")
    else:
        mime = PLAIN
        _require_text(name, data)
    return Attachment(name, mime, hashlib.sha256(data).hexdigest(), data)


def pasted(text: str) -> Attachment:
    """A large text from the clipboard, as a file. Raises BadInput where it is too large."""
    data = clean_surrogates(text).encode()
    name = "pasted.txt"
    _require_size(name, data, MOST_TEXT, "a text")
    return Attachment(name, PLAIN, hashlib.sha256(data).hexdigest(), data)


def clean_name(name: str) -> str:
    """The last part of a path, in one line that a terminal can show; ``file`` where nothing is left."""
    name = clean_line(re.split(r"[/\\]", name)[-1]).strip()
    if len(name) > LONGEST_NAME:
        stem, dot, ending = name.rpartition(".")
        end = f"…{dot}{ending}" if stem and len(ending) < 12 else "…"
        name = name[: LONGEST_NAME - len(end)] + end
    return name if name.strip(". ") else "file"


def _require_image(name: str, mime: str, data: bytes) -> None:
    image = images.image_of(data)
    if image is None:
        raise BadInput(f"{name} is a damaged image ({mime}).", hint="Open it elsewhere and save it again.")
    if max(image.width, image.height) > LONGEST_SIDE:
        size = f"{image.width:,} by {image.height:,} pixels"
        raise BadInput(f"{name} is too large an image: {size}.", hint=f"At most {LONGEST_SIDE:,} each way are taken.")
    _require_size(name, data, MOST_IMAGE, "an image")


def _require_text(name: str, data: bytes) -> None:
    text = _decoded(data)
    if text is None or "\0" in text:
        raise BadInput(
            f"{name} is neither a text in UTF-8, nor an image (PNG, JPEG, GIF, WebP), nor a PDF.",
            hint="Save a text in another encoding as UTF-8; other files cannot be sent to a model.",
        )
    _require_size(name, data, MOST_TEXT, "a text")


def _require_size(name: str, data: bytes, most: int, what: str) -> None:
    if len(data) > most:
        sentence = f"{name} is too large: {len(data) / 1e6:,.1f} MB."
        raise BadInput(sentence, hint=f"At most {most / 1e6:,.0f} MB of {what} can be attached.")


# -- what a request carries of it -----------------------------------------------------------------


def is_text(attachment: Attachment) -> bool:
    """Whether it says that it is a text which may be expanded; its data need not be loaded."""
    return (
        attachment.size <= MOST_TEXT and _TEXTS.fullmatch(attachment.mime.partition(";")[0].strip().lower()) is not None
    )


def is_image(attachment: Attachment) -> bool:
    """Whether it says that it is an image; its data need not be loaded."""
    return attachment.mime.lower().startswith("image/") and attachment.size <= MOST_FILE and not is_text(attachment)


def text_of(attachment: Attachment) -> str | None:
    """The text that a request carries of it; None for what is none. Raises KeyError where it is not loaded."""
    return _decoded(_data_of(attachment)) if is_text(attachment) else None


def image_of(attachment: Attachment) -> Image | None:
    """The image that a request carries of it; None for what is none. Raises KeyError where it is not loaded."""
    return images.image_of(_data_of(attachment)) if is_image(attachment) else None


def filled(parts: Iterable[Part], contents: Mapping[str, bytes]) -> tuple[Part, ...]:
    """The parts with the data of those attachments whose contents these are, by checksum; others stay as they are."""
    return tuple(
        replace(part, data=contents[part.sha256])
        if isinstance(part, Attachment) and not part.is_loaded and part.sha256 in contents
        else part
        for part in parts
    )


def expanded(text: str, parts: Iterable[Part]) -> str:
    """A message's text with those of its files behind it, each in a block that its content cannot end.

    Nothing is added to a message that brings results of tools: a request carries the results only.
    """
    blocks = [_block(each.name, content) for each, content in _texts(parts)]
    return _BETWEEN.join([text, *blocks] if text else blocks)


def sent_images(role: Role, parts: Iterable[Part]) -> tuple[Attachment, ...]:
    """The images that a request carries of a message, in order, as what they are; only the user's are sent."""
    return tuple(replace(part, mime=image.mime) for part, image in _images(role, parts))


class Carried(NamedTuple):
    """What goes with a message: how many ``files`` in all, how many of them are ``images`` that may be sent and
    about how many tokens these cost, and how many are ``others``, which no request carries."""

    files: int = 0
    images: int = 0
    image_tokens: int = 0
    others: int = 0


def carried(role: Role, parts: Sequence[Part]) -> Carried:
    """Count a message's attachments by what a request carries of them."""
    files = sum(isinstance(part, Attachment) for part in parts)
    if not files:
        return Carried()
    found = _images(role, parts)
    return Carried(files, len(found), sum(image.tokens for _, image in found), files - len(found) - len(_texts(parts)))


def weigh(attachments: Sequence[Attachment]) -> tuple[tokens.Measure, Carried]:
    """What these add to a draft: the text that expands them, and what ``carried`` says of the user's.

    The text is never measured too small, and by at most two tokens a file too large. Remembered by
    checksum, because a draft is measured at each key: of the files' content nothing is kept.
    """
    weights = [_weight(each) for each in attachments]
    texts = [measure for measure, _ in weights if measure.tokens]
    image_tokens = [each for _, each in weights if each]
    others = len(weights) - len(texts) - len(image_tokens)
    added = tokens.Measure(*map(sum, zip((0, 0, 0), *texts, strict=True)))
    return added, Carried(len(weights), len(image_tokens), sum(image_tokens), others)


def _weight(attachment: Attachment) -> tuple[tokens.Measure, int]:
    """Of the text that expands it, if it is one, and the tokens of the image, if it is one."""
    key = (attachment.sha256, attachment.name, attachment.mime)
    weight = _weights.get(key)
    if weight is None:
        if len(_weights) >= _MOST_WEIGHTS:
            _weights.clear()
        text, image = text_of(attachment), image_of(attachment)
        added = "" if text is None else f"{_BETWEEN}{_block(attachment.name, text)}"
        weight = _weights[key] = tokens.measure(added), image.tokens if image else 0
    return weight


_MOST_WEIGHTS = 256
_weights: dict[tuple[str, str, str], tuple[tokens.Measure, int]] = {}


def _texts(parts: Iterable[Part]) -> Sequence[tuple[Attachment, str]]:
    parts = tuple(parts)
    if any(isinstance(part, ToolResult) for part in parts):
        return []
    found = ((part, text_of(part)) for part in parts if isinstance(part, Attachment))
    return [(part, text) for part, text in found if text is not None]


def _images(role: Role, parts: Iterable[Part]) -> Sequence[tuple[Attachment, Image]]:
    parts = tuple(parts)
    if role is not Role.USER or any(isinstance(part, ToolResult) for part in parts):
        return []
    found = ((part, image_of(part)) for part in parts if isinstance(part, Attachment))
    return [(part, image) for part, image in found if image is not None]


def _block(name: str, text: str) -> str:
    """The text in a fence that is longer than any run of its characters in it, behind a line with its name."""
    longest = max(map(len, _TICKS.findall(text))) if "```" in text else 0
    fence = "`" * max(3, 1 + longest)
    return f"[Attached file: {clean_name(name)}]\n{fence}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{fence}"


def _decoded(data: bytes) -> str | None:
    """By its mark, else as UTF-8; None where that fails."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _data_of(attachment: Attachment) -> bytes:
    if not attachment.is_loaded:
        raise KeyError(attachment.sha256)
    return attachment.data
