"""From what llama.cpp writes before it gives up to a sentence for a person."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput, ServerFailed, TuiChatError
from tui_chat.core.local import GgufFile
from tui_chat.local.header import damaged

LONGEST_QUOTE = 160

MEMORY = re.compile(
    r"bad_alloc|out of (device |host )?memory|OutOf(Device|Host)?Memory|cannot allocate|unable to allocate"
    r"|(failed|not able) to allocate|insufficient memory",
    re.IGNORECASE,
)
_ARCHITECTURE = re.compile(r"unknown model architecture: '([^']{1,60})'")
_OTHER_TENSORS = re.compile(r"wrong number of tensors|missing tensor|has wrong shape|tensor '[^']*' not found")
_DAMAGED = re.compile(
    r"not within the file bounds|corrupt|incomplete|failed to read|invalid (magic|ggml type)|error loading model"
)
_LIBRARY = re.compile(r"shared librar|Library not loaded|ImportError|ModuleNotFoundError|no backends are loaded")
_OPTIONS = re.compile(r"invalid argument|unknown argument|unrecognized|AttributeError")
_PORT = re.compile(r"couldn't bind|address already in use", re.IGNORECASE)
_PREFIX = re.compile(r"^[\d.]+ [A-Z] ")
_ERROR = re.compile(r"^[\d.]+ E ")
"""Time and level, in newer versions."""

REINSTALL = "Install or update it: pip install -U 'tui-chat[local]'."
_LESS_MEMORY = "Close other programs, or choose a smaller file."
_AGAIN = "The next prompt starts it again."
_AGAIN_ITSELF = "A prompt to it starts it again."


def why_not_started(model: GgufFile, lines: Iterable[str], code: int) -> TuiChatError:
    """Why this model is not served: from the last lines and the exit code.

    Nothing was asked of the server yet, so that no line can hold a prompt or a reply.
    """
    name = model.name
    lines = tuple(line.replace(str(model.path), name) for line in lines)
    text = "\n".join(line.replace(name, "") for line in lines)  # a file may be called "corrupt"
    if MEMORY.search(text) or code == 128 + signal.SIGKILL:
        return ServerFailed(f"There is not enough memory for {name}.", hint=_LESS_MEMORY)
    if found := _ARCHITECTURE.search(text):
        return ServerFailed(
            f"This llama.cpp does not know models of the kind {clean_line(found[1])!r}.", hint=REINSTALL
        )
    if _OTHER_TENSORS.search(text):
        return BadInput(
            f"{name} is damaged, or made for another program than llama.cpp.",
            hint="Some models of Ollama run only there: start Ollama, and choose it with ctrl+o.",
        )
    if _PORT.search(text):
        return ServerFailed("llama.cpp found no free port on this computer.", hint="Try again.")
    if _DAMAGED.search(text):
        return damaged(name)
    if _LIBRARY.search(text):
        return ServerFailed("llama.cpp is here, but a part of it is missing.", hint=REINSTALL)
    if _OPTIONS.search(text):
        return ServerFailed("This llama.cpp is too old or too new for tui-chat.", hint=REINSTALL)
    return ServerFailed(f"llama.cpp gave up: {_words(lines) or ended_by(code)}.", hint="Try another file.")


def why_ended(name: str, code: int, *, memory: bool) -> TuiChatError:
    """Why a model that was served no longer is; ``memory``: it said that memory ran out."""
    if memory or code == 128 + signal.SIGKILL:
        return ServerFailed(
            f"The local model {name} was ended: most likely there was not enough memory.",
            hint=f"{_AGAIN} {_LESS_MEMORY}",
        )
    return ServerFailed(f"The local model {name} ended: llama.cpp {ended_by(code)}.", hint=_AGAIN)


def replaced(name: str) -> TuiChatError:
    """Why a model that was served no longer is, where another took its place."""
    return ServerFailed(f"The local model {name} was ended: another model file was opened.", hint=_AGAIN_ITSELF)


def ended_by(code: int) -> str:
    """What an exit code of the guard says."""
    if code == 128 + signal.SIGILL:
        return "uses instructions that this processor does not have"
    try:
        return f"crashed ({signal.Signals(code - 128).name})"
    except ValueError:
        return f"ended with code {code}"


def _words(lines: tuple[str, ...]) -> str:
    """The line that says most, cleaned and short: the first that is marked as an error, else the last."""
    for line in (*filter(_ERROR.match, lines), *reversed(lines)):
        if words := clean_line(_PREFIX.sub("", line)).strip(" ."):
            return words[:LONGEST_QUOTE]
    return ""
