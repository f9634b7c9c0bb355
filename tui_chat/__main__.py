"""Choose a front end: the app, or a command."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tui_chat.services.program import Program

INTERRUPTED = 130

GARBAGE_THRESHOLD = 100_000
"""Objects between two looks for circular garbage. At Python's 700 the looks take a tenth of the way to the first
letter, and find nothing; what is no circle is freed at once anyway."""


def main() -> None:
    """Run ``tui-chat`` with this process's arguments and exit with its code."""
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    alone = not sys.argv[1:] and all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout))
    try:
        code = _app_alone() if alone else _command_line()
    except KeyboardInterrupt:  # while modules were still being imported
        code = INTERRUPTED
    sys.exit(code)


def _command_line() -> int:
    from tui_chat.cli.main import main as run_command_line

    return run_command_line(sys.argv[1:], make_program=_make_program, open_app=_open_app)


def _app_alone() -> int:
    """The commonest start: it does not wait for the command line's modules (a tenth of the time to the first paint)."""
    programs: list[Program] = []
    try:
        programs.append(_make_program(user=None, model=None, interactive=True))
        return _open_app(programs[0], None)
    except (Exception, KeyboardInterrupt) as error:
        from tui_chat.cli.main import ended_by

        return ended_by(error, programs)


def _make_program(*, user: str | None, model: str | None, gguf: Path | None = None, interactive: bool) -> Program:
    from tui_chat.bootstrap import LocalProgram

    return LocalProgram(user=user, model=model, gguf=gguf, interactive=interactive)


def _open_app(program: Program, conversation: str | None) -> int:
    # Imported here: no command waits for Textual.
    from tui_chat.ui.app import TuiChatApp

    gc.freeze()  # modules stay; a look at all of them is a pause of 15 ms
    app = TuiChatApp(program, conversation=conversation)
    app.run()
    if app.ended_by is not None:
        raise app.ended_by
    # None: it never came to leave by itself. asyncio had taken a ctrl+c before the app could listen for it.
    return INTERRUPTED if app.return_code is None else app.return_code


if __name__ == "__main__":
    main()
