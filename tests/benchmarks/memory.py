"""What the app holds in memory once it has settled, with 50 messages open: ``python -m tests.benchmarks.memory``."""

from __future__ import annotations

import sys
import time

from tests.benchmarks.startup import LAST_WORDS, prepare, start_bare
from tests.servers.terminal import Terminal, computer_with_keyring

LIBRARIES = """
import apsw, cryptography.hazmat.primitives.ciphers.aead, httpx, keyring.backends.SecretService, markdown_it
import pygments.lexers, textual.app, textual.widgets
from textual.widgets import Input, TextArea
print("READY", flush=True)
input()
"""


def settled(program: Terminal) -> float:
    """MiB when it has done nothing for a second."""
    spent = -1.0
    while program.cpu_seconds() != spent:
        spent = program.cpu_seconds()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            program.read()
    return program.resident_mib()


def main() -> None:
    with computer_with_keyring() as computer:
        with start_bare(computer) as bare:
            bare.wait_for("READY")
            print(f"bare Textual                         {settled(bare):6.1f} MiB")
        with Terminal([sys.executable, "-c", LIBRARIES], computer.environment) as libraries:
            libraries.wait_for("READY")
            print(f"all libraries, no app                {settled(libraries):6.1f} MiB")
        prepare(computer)
        with computer.start(columns=120, rows=40) as app:
            app.wait_for(LAST_WORDS)
            print(f"tui-chat, unlocked, 50 messages (80) {settled(app):6.1f} MiB")
            app.type("\x1bggG")
            print(f"the same, scrolled to its beginning  {settled(app):6.1f} MiB")


if __name__ == "__main__":
    main()
