"""The prompt in the person's own editor, through a file that only they can read and that is erased."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tui_chat.core.errors import BadInput


def edit(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Run ``$VISUAL`` or ``$EDITOR`` on the text and return what was saved; blocking.

    The file is 0600, in ``XDG_RUNTIME_DIR`` (memory, not disk, on most systems) where there is one,
    overwritten and erased on return. The editor itself may keep copies. Raises BadInput.
    """
    command = environment.get("VISUAL") or environment.get("EDITOR") or "vi"
    folder = environment.get("XDG_RUNTIME_DIR")
    descriptor, name = tempfile.mkstemp(prefix="prompt-", suffix=".md", dir=folder if folder else None)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        try:
            done = subprocess.run([*shlex.split(command), name], check=False)
        except (OSError, ValueError) as error:
            raise BadInput(f"The editor {command!r} could not be run.", hint="Set $EDITOR to one that can.") from error
        if done.returncode != 0:
            raise BadInput("The editor ended with an error.", hint="The prompt is as it was before.")
        return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    finally:
        size = path.stat().st_size if path.exists() else 0
        if size:
            path.write_bytes(b"\0" * size)
        path.unlink(missing_ok=True)
