"""From a file to the model in it: header, parts and windows."""

from __future__ import annotations

from pathlib import Path

from tui_chat.core.errors import BadInput, NotFound
from tui_chat.core.local import GgufFile
from tui_chat.core.models import clean_surrogates
from tui_chat.local.header import name_of, parts_of, read_header
from tui_chat.local.window import default_window, total_memory, trained_window


def read_model(path: Path, *, follow: bool) -> GgufFile:
    """The model that this file is, or is a part of; ``follow``: also through symbolic links.

    Raises NotFound and BadInput. Blocks.
    """
    first, *others = parts_of(_absolute(path))
    header, size = read_header(first, follow=follow)
    name = name_of(first)
    if str(first) != clean_surrogates(str(first)):
        raise BadInput(f"The name of {name} is not UTF-8.", hint="llama.cpp cannot open it: rename the file.")
    if not header.can_chat:
        raise BadInput(
            f"{name} is no model to chat with ({header.architecture}).",
            hint="It belongs to another model, or turns text into numbers. Choose the language model's own file.",
        )
    for number, part in enumerate(others, start=2):
        try:
            size += part.stat().st_size
        except OSError:
            missing = f"Part {number} of {len(others) + 1} of {name} is missing."
            raise BadInput(missing, hint="All parts belong in one folder, under their own names.") from None
    windows = trained_window(header), default_window(header, size)
    return GgufFile(first, name, size, "", header.architecture, *windows, fits=size < total_memory())


def _absolute(path: Path) -> Path:
    """As the child finds it, which runs in another folder."""
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):  # "~somebody" who is nobody; a relative path in a folder that is gone
        raise NotFound("There is no such file.", hint="Name an absolute path.") from None
