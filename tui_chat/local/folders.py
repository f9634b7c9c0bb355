"""Finds the model files that other programs have put on this computer.

It looks into their own folders only, never through a symbolic link that leads out of them, and opens
what is named like a model's file (or is Ollama's list of models). Depth, count and time are bounded.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tui_chat.core.errors import TuiChatError
from tui_chat.core.local import GgufFile, ModelFolder
from tui_chat.local.header import clean_name, parts_of
from tui_chat.local.model import read_model

SECONDS = 5.0
"""For all folders together; what was found until then is shown."""

MOST_ENTRIES = 50_000
"""Names that are looked at; Hugging Face's folder may hold thousands that are no model's file."""

LARGEST_MANIFEST = 64 * 1024
"""Bytes of Ollama's description of one model."""

_OLLAMA_MODEL = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


class Enough(Exception):
    """A bound is reached."""


@dataclass(slots=True)
class Limits:
    """How many names may still be looked at, and until when (on the monotonic clock)."""

    entries: int
    deadline: float

    def spend(self) -> None:
        """One more. Raises Enough."""
        self.entries -= 1
        if self.entries < 0 or time.monotonic() > self.deadline:
            raise Enough


@dataclass(frozen=True, slots=True)
class Folder(ModelFolder):
    """One of them, and how to look into it."""

    look: Callable[[Path, Limits], Iterator[GgufFile]]


def folders(environment: Mapping[str, str], platform: str = sys.platform) -> tuple[Folder, ...]:
    """The well-known ones of this user, there or not; where variables of those programs name others, these."""
    home = Path(environment.get("HOME") or Path.home())

    def named(variable: str, *otherwise: Path) -> tuple[Path, ...]:
        value = environment.get(variable, "").strip()
        return (home / value.removeprefix("~/"),) if value.startswith(("/", "~/")) else otherwise

    (cache,) = named("XDG_CACHE_HOME", home / ".cache")
    (hugging_face,) = named("HF_HOME", cache / "huggingface")
    llama_cache = (home / "Library/Caches" if platform == "darwin" else cache) / "llama.cpp"
    lm_studio = (home / ".lmstudio/models", home / ".cache/lm-studio/models")
    # Where it is a system's service, Ollama's own installer gives it this home.
    ollama = named("OLLAMA_MODELS", home / ".ollama/models", Path("/usr/share/ollama/.ollama/models"))
    return (
        *(Folder("Ollama", path, _ollama) for path in ollama),
        *(Folder("llama.cpp", path, _flat) for path in named("LLAMA_CACHE", llama_cache)),
        *(Folder("LM Studio", path, _lm_studio) for path in lm_studio),
        *(Folder("Hugging Face", path, _hugging_face) for path in named("HF_HUB_CACHE", hugging_face / "hub")),
    )


def limits() -> Limits:
    """From now on."""
    return Limits(MOST_ENTRIES, time.monotonic() + SECONDS)


def find_models(places: Sequence[Folder], limits: Limits) -> list[GgufFile]:
    """The models in these folders by name, each once. Blocks, until a limit is reached at most."""
    found: dict[tuple[int, int], GgufFile] = {}
    with suppress(Enough):
        for folder in places:
            for model in folder.look(folder.path, limits):
                with suppress(OSError):
                    status = model.path.stat()
                    found.setdefault((status.st_dev, status.st_ino), replace(model, source=folder.source))
    return sorted(found.values(), key=lambda model: (model.name.casefold(), model.source))


# -- one program's folder each ------------------------------------------------------------------


def _flat(folder: Path, limits: Limits) -> Iterator[GgufFile]:
    """llama.cpp's cache: the files lie side by side."""
    return _models(_files(folder, limits, depth=1), limits)


def _lm_studio(folder: Path, limits: Limits) -> Iterator[GgufFile]:
    """LM Studio's: ``PUBLISHER/MODEL/FILE.gguf``."""
    return _models(_files(folder, limits, depth=3), limits)


def _hugging_face(folder: Path, limits: Limits) -> Iterator[GgufFile]:
    """The hub's cache: ``models--OWNER--NAME/snapshots/REVISION/[FOLDER/]FILE.gguf``, links to its own ``blobs``."""
    for repository in _entries(folder, limits):
        if repository.name.startswith("models--") and repository.is_dir(follow_symlinks=False):
            here = Path(repository.path)
            if not (here / "snapshots").is_symlink() and not (here / "blobs").is_symlink():
                links = _files(here / "snapshots", limits, depth=3, links_into=here / "blobs")
                yield from _models(links, limits)


def _ollama(folder: Path, limits: Limits) -> Iterator[GgufFile]:
    """Ollama's: ``manifests/HOST/OWNER/NAME/TAG`` says which of the ``blobs`` is a model's file."""
    manifests = folder / "manifests"
    if manifests.is_symlink() or (folder / "blobs").is_symlink():
        return
    for path in _files(manifests, limits, depth=4, any_name=True):
        if digest := _model_digest(path):
            model = _read(folder / "blobs" / f"sha256-{digest}", limits)
            if model is not None:
                yield replace(model, name=_ollama_name(path.relative_to(manifests).parts))


def _model_digest(manifest: Path) -> str | None:
    """Which blob is the model; None for what is no manifest. Nothing in it is believed but the form of a digest."""
    try:
        descriptor = os.open(manifest, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            layers = json.loads(file.read(LARGEST_MANIFEST))["layers"]
        digests = [layer["digest"] for layer in layers if layer["mediaType"] == _OLLAMA_MODEL]
        match = _DIGEST.fullmatch(digests[0])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return match[1] if match else None


def _ollama_name(parts: Sequence[str]) -> str:
    """What Ollama calls the model: its own host and owner are left out."""
    *place, name, tag = parts if len(parts) > 1 else ("", *parts)
    owner = [part for part in place if part not in ("registry.ollama.ai", "library", "")]
    return clean_name(f"{'/'.join((*owner, name))}:{tag}")


# -- looking ------------------------------------------------------------------------------------


def _models(paths: Iterator[Path], limits: Limits) -> Iterator[GgufFile]:
    """The models among these files; of one in parts the first part stands for all."""
    for path in paths:
        if path == parts_of(path)[0] and (model := _read(path, limits, follow=path.is_symlink())):
            yield model


def _read(path: Path, limits: Limits, *, follow: bool = False) -> GgufFile | None:
    """The model in a file; None where there is none to chat with."""
    limits.spend()
    try:
        return read_model(path, follow=follow)
    except TuiChatError:
        return None


def _files(
    folder: Path, limits: Limits, *, depth: int, any_name: bool = False, links_into: Path | None = None
) -> Iterator[Path]:
    """Model files below a folder, so many levels deep; no link is followed but to a file right in ``links_into``."""
    for entry in _entries(folder, limits):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if depth > 1:
                yield from _files(path, limits, depth=depth - 1, any_name=any_name, links_into=links_into)
        elif not any_name and not entry.name.lower().endswith(".gguf"):
            continue
        elif entry.is_file(follow_symlinks=False) or (links_into is not None and _leads_into(links_into, path)):
            yield path


def _entries(folder: Path, limits: Limits) -> Iterator[os.DirEntry[str]]:
    """What a folder holds, by name; nothing where it is not there or may not be read."""
    try:
        with os.scandir(folder) as entries:
            found = []
            for entry in entries:
                limits.spend()
                found.append(entry)
    except OSError:
        return
    yield from sorted(found, key=lambda entry: entry.name)


def _leads_into(folder: Path, link: Path) -> bool:
    """Whether it is a link to a regular file that lies in this folder itself."""
    try:
        target = Path(os.path.normpath(link.parent / link.readlink()))
        return target.parent == Path(os.path.normpath(folder)) and target.is_file() and not target.is_symlink()
    except OSError:
        return False
