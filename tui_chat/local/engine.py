"""Which llama.cpp is here, and how it is told what to serve.

Everything is said in environment variables: other users of the computer can read the arguments of a
process, but not its environment, and a variable that a version of ``llama-server`` does not know does
no harm where an option would keep it from starting.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tui_chat.core.errors import NoModel
from tui_chat.core.local import GgufFile
from tui_chat.core.secret import Secret

PROMPT_CACHE_MIB = 1024
"""For the states of other conversations, so that going back to one need not read it again (default: 8 GiB)."""

_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|DYLD_\w+|PYTHON(PATH|HOME)|VIRTUAL_ENV|NIX_\w+"
    r"|(CUDA|NVIDIA|HIP|ROCR|ROCM|HSA|GPU|AMD|GGML|VK|MESA|OMP|ONEAPI|SYCL|ZE|MTL)_\w+"
)
"""What the child gets of our environment: what finds libraries and GPUs. No key of the user's is among it,
and none of llama.cpp's own variables, with which it would listen elsewhere, fetch models or log prompts."""


Choose = Callable[[Mapping[str, str]], Sequence[str]]
"""From our environment to the command that runs llama.cpp."""


def command(environment: Mapping[str, str]) -> Sequence[str]:
    """How to run llama.cpp: the wheel (installed for this program), else ``llama-server`` on the PATH.

    Raises NoModel where neither is here. Blocks a moment.
    """
    if importlib.util.find_spec("xllamacpp") is not None:
        # -P: nothing of that name in the current folder is imported instead.
        return sys.executable, "-P", str(Path(__file__).with_name("serve.py"))
    if found := shutil.which("llama-server", path=environment.get("PATH")):
        return str(Path(found).absolute()), "--host", "127.0.0.1", "--port", "0"
    raise NoModel(
        "llama.cpp is not installed here.",
        hint="Install it with: pip install 'tui-chat[local]'. Or put its llama-server on the PATH.",
    )


def variables(
    environment: Mapping[str, str], model: GgufFile, *, context_window: int, key: Secret
) -> Mapping[str, str]:
    """The child's whole environment."""
    return {
        **{name: value for name, value in environment.items() if _PASSED.fullmatch(name)},
        "LLAMA_ARG_MODEL": str(model.path.absolute()),
        "LLAMA_ARG_ALIAS": model.name,
        "LLAMA_ARG_CTX_SIZE": str(context_window),
        "LLAMA_ARG_N_PARALLEL": "1",  # with more, the context is divided among them
        "LLAMA_API_KEY": key.reveal_text(),
        "LLAMA_ARG_CACHE_RAM": str(PROMPT_CACHE_MIB),
        "LLAMA_ARG_CONTEXT_SHIFT": "0",  # or the oldest of the prompt would be dropped without a word
        "LLAMA_ARG_NO_CONTEXT_SHIFT": "1",
        "LLAMA_ARG_ENDPOINT_SLOTS": "0",
        "LLAMA_ARG_OFFLINE": "1",
        "LLAMA_OFFLINE": "1",
        "LLAMA_ARG_UI": "0",
        "LLAMA_ARG_WEBUI": "0",
    }
