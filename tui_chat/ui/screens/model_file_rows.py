"""The lines of the dialog for model files, as values: what was found, what is typed, where was looked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from textual.content import Content

from tui_chat.core.local import GgufFile, ModelFolder
from tui_chat.ui.forms import Pick
from tui_chat.ui.text import clean_line

_NONE_FOUND = """\
No model file was found. Any GGUF file of a language model will do: put one anywhere on this computer, and type \
its path above. Or let one of these programs fetch one, with Ollama for example: ollama pull llama3.2. \
A model of 3 billion parameters (3B) in the quality Q4 takes about 2 GB of memory.
"""


def rows(files: Sequence[GgufFile] | None, folders: Sequence[ModelFolder], typed: str) -> list[Pick]:
    """Every line: the files in whose name or program all typed words occur, and what is typed where it is a path.

    ``files`` is None while they are looked for.
    """
    words = typed.casefold().split()
    path = path_of(typed)
    lines = [Pick(_file(file), file) for file in files or () if _matches(file, words)]
    if path is not None:
        lines.append(Pick(Content(f"open “{clean_line(str(path))}”"), path))
    if files is None:
        lines.append(_read("looking for model files on this computer…"))
    elif words and not lines:
        lines.append(_read("No file that was found has that in its name. A path may be typed too: ~/…"))
    if not words:
        lines += _where(folders, none_found=files is not None and not files)
    return lines


def path_of(typed: str) -> Path | None:
    """The file that is meant where a path is typed, pasted or dropped; None for words to filter by.

    Terminals drop a path in quotes, with a backslash before each blank, or as a ``file://`` address.
    """
    text = typed.strip()
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    elif len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    else:
        text = re.sub(r"\\(.)", r"\1", text)
    is_path = text.startswith("~") or "/" in text or text.casefold().endswith(".gguf")
    return Path(text) if is_path and "\0" not in text else None


def at_home(path: Path) -> str:
    """A path as people write it, fit for a screen."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's own fails where there is no home
    return clean_line(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path))


def size_of(size: int) -> str:
    """``2.0 GB`` or ``700 MB``."""
    return f"{size / 1e9:.1f} GB" if size >= 950_000_000 else f"{max(1, round(size / 1e6))} MB"


def _matches(file: GgufFile, words: Sequence[str]) -> bool:
    return all(word in f"{file.name} {file.source}".casefold() for word in words)


def _file(file: GgufFile) -> Content:
    facts = f"  {size_of(file.size)}  {file.source}  {file.default_window:,} tokens"
    warning = "" if file.fits else "  larger than the memory here"
    return Content.assemble(clean_line(file.name), (facts, "dim"), (warning, "$text-warning"))


def _where(folders: Sequence[ModelFolder], *, none_found: bool) -> Iterator[Pick]:
    """Which folders are read, and how to come by a file where they hold none."""
    if none_found:
        yield Pick(Content(_NONE_FOUND), None)
    yield _read("Only these folders of other programs are looked into:")
    width = max((len(folder.source) for folder in folders), default=0)
    for folder in folders:
        yield _read(f"  {folder.source:<{width}}  {at_home(folder.path)}")


def _read(text: str) -> Pick:
    """A line that is only read."""
    return Pick(Content.styled(text, "dim"), None)
