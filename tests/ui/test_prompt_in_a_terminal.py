from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

PROGRAM = """
import sys
from pathlib import Path
from textual.app import App
from tui_chat.ui.widgets.prompt import PromptInput

class OnePrompt(App):
    sent = []
    def compose(self):
        yield PromptInput()
    def on_mount(self):
        self.query_one(PromptInput).focus()
        self.call_after_refresh(Path(sys.argv[1], "ready").touch)
    def on_prompt_input_submitted(self, event):
        self.sent.append(event.text)
        if event.text == "end":
            Path(sys.argv[1], "sent").write_text("|".join(self.sent))
            self.exit()

OnePrompt().run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_bytes_of_one_read_are_handled_in_their_order(tmp_path: Path) -> None:
    typed = b"helloa\x7fbc\rx\x15q\x1b[200~pa\rsted\x1b[201~y\x1b[Dz\rnext\nline\rend\r"
    ours, theirs = os.openpty()
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    program = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        drain(ours, until=(tmp_path / "ready").exists)
        os.write(ours, typed)
        drain(ours, until=lambda: program.poll() is not None)
    finally:
        program.kill()
        program.wait()
        os.close(ours)

    assert (tmp_path / "sent").read_text() == "hellobc|qpa\nstedzy|next\nline|end"


def drain(terminal: int, *, until: Callable[[], bool], seconds: float = 30) -> None:
    """Let the program write its screen until that is so."""
    end = monotonic() + seconds
    while not until():
        assert monotonic() < end, "the program did not get there"
        if select.select([terminal], [], [], 0.02)[0]:
            # Linux says EIO when the program has closed its side.
            with suppress(OSError):
                os.read(terminal, 1 << 16)
