"""Questions to the person at the terminal, asked on stderr; a signal ends them at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from tui_chat.core.secret import Secret

ENDING = (signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else ()
"""The signals that end a command, besides SIGINT."""


def may_prompt() -> bool:
    """Whether a person is there to answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def secret(label: str) -> Secret:
    """What the person types, unseen. Raises click.Abort at ctrl+c."""
    with _heard():
        return _typed(click.prompt(label, hide_input=True, err=True))


def secret_twice(label: str) -> Secret:
    """The same, asked for until it was typed twice alike."""
    with _heard():
        return _typed(click.prompt(label, hide_input=True, confirmation_prompt="Once more", err=True))


def confirm(question: str) -> None:
    """Go on only after a yes. Raises click.Abort otherwise."""
    with _heard():
        click.confirm(question, abort=True, err=True)


@contextmanager
def _heard() -> Iterator[None]:
    """Within it signals are obeyed here: the event loop, which hears them otherwise, waits for the answer itself."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGINT, *ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise click.exceptions.Exit(128 + number)


def _typed(text: str) -> Secret:
    # A terminal of another encoding gives bytes that are no UTF-8; whoever takes the secret refuses them.
    return Secret(text.encode(errors="surrogateescape"))
