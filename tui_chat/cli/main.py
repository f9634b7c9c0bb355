"""The one executable: global options, the table of commands, and how every failure ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from click.shell_completion import shell_complete

from tui_chat import __version__
from tui_chat.cli import ask, changing, config, doctor, guide, keys, models, output, plan, reading, transfer, users
from tui_chat.cli.run import MakeProgram, Run, pass_run, run_until_done
from tui_chat.core.errors import NotFound, TuiChatError
from tui_chat.services.program import Program

PROGRAM_NAME = "tui-chat"
INTERRUPTED = 130

HELP = """A private, honest chat client for the terminal.

Without a command it opens the app: `tui-chat [CONV]`. CONV is a conversation: its id, a beginning
or end of it (8 characters or more), @last, or its exact title.

What you put on a command line is visible to every user of this computer in the process list;
pipe private text to stdin instead: `tui-chat ask < question.txt`.
"""

COMMANDS: Sequence[click.Command] = (
    ask.ask,
    reading.list_,
    reading.show,
    reading.search,
    plan.plan,
    *changing.COMMANDS,
    transfer.export,
    transfer.import_,
    models.models,
    users.users,
    keys.keys,
    doctor.doctor,
    config.config,
    guide.guide,
    guide.completion,
)


class _AppOrCommand(click.Group):
    """A first word that is no command names a conversation for the app."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            return "", app, args
        return super().resolve_command(ctx, args)


@click.group(
    cls=_AppOrCommand, help=HELP, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message=f"{PROGRAM_NAME} %(version)s")
@click.option("--user", metavar="NAME", help="The user profile of this run (TUI_CHAT_USER).")
@click.option("--model", metavar="ENDPOINT/NAME", help="The model of this run (TUI_CHAT_MODEL).")
@click.option(
    "--gguf",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A model file that answers in this run, by llama.cpp on this computer.",
)
@click.option("--no-color", is_flag=True, help="No colours (NO_COLOR).")
@click.pass_context
def cli(ctx: click.Context, user: str | None, model: str | None, gguf: Path | None, no_color: bool) -> None:
    if gguf is not None and model is not None:
        raise click.UsageError("--gguf and --model exclude each other.")
    run = ctx.ensure_object(Run)
    run.user, run.model, run.gguf = user, model, gguf
    if no_color:
        os.environ["NO_COLOR"] = "1"
    if ctx.invoked_subcommand is None:
        _open_app(run, None)


@click.command(hidden=True)
@click.argument("conversation", metavar="CONV")
@pass_run
def app(run: Run, conversation: str) -> None:
    """Open the app with that conversation."""
    _open_app(run, conversation)


def _open_app(run: Run, conversation: str | None) -> None:
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        unknown = f"“{conversation}” is no command, and the app" if conversation is not None else "The app"
        raise click.UsageError(
            f"{unknown} needs a terminal. Without one: `tui-chat ask`, `tui-chat --help`.",
            ctx=click.get_current_context().find_root(),
        )
    program = run.program(interactive=True)
    if run.gguf is not None:
        # Before the app: what is wrong with the file is no matter of the history.
        run_until_done(program.read_model_file(run.gguf))
    try:
        code = run.open_app(program, conversation)
    except NotFound as error:
        if conversation is None:
            raise
        raise NotFound(
            f"“{conversation}” is neither a command nor a conversation.",
            hint="`tui-chat --help` names the commands, `tui-chat list` the conversations.",
        ) from error
    raise click.exceptions.Exit(code)


for _command in COMMANDS:
    cli.add_command(_command)


def main(
    arguments: Sequence[str],
    *,
    make_program: MakeProgram,
    open_app: Callable[[Program, str | None], int],
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Run ``tui-chat`` with these arguments; the exit code.

    ``make_program`` is called only where a command needs one. ``open_app`` gets the conversation's
    name, if one was given, and raises NotFound where there is none of that name.
    """
    run = Run(make_program, open_app, environment)
    try:
        return _run(arguments, run)
    except (Exception, KeyboardInterrupt) as error:
        return ended_by(error, run.programs)


def ended_by(error: Exception | KeyboardInterrupt, programs: Sequence[Program]) -> int:
    """Say in a line or two what ended the program, never with a traceback; the exit code."""
    match error:
        case BrokenPipeError():
            # The reader has seen enough (`| head`). Nothing may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED
        case click.NoSuchOption() if (misplaced := _misplaced(error)) is not None:
            misplaced.show(sys.stderr)
            return misplaced.exit_code
        case click.ClickException():
            error.show(sys.stderr)
            return error.exit_code
        case TuiChatError():
            output.report(error)
            return error.exit_code
    _report_fault(error, programs)
    return 1


def _misplaced(error: click.NoSuchOption) -> click.UsageError | None:
    """What to say of a global option that stands behind a command; None where it is none."""
    if error.ctx is None or error.ctx.parent is None:
        return None
    command = error.ctx.command_path.removeprefix(f"{PROGRAM_NAME} ")
    for option in cli.params:
        if error.option_name in option.opts and not option.is_eager:
            value = f" {option.metavar}" if option.metavar else ""
            right = f"{PROGRAM_NAME} {error.option_name}{value} {command} …"
            return click.UsageError(f"{error.option_name} stands before the command: `{right}`.", ctx=error.ctx)
    return None


def _run(arguments: Sequence[str], run: Run) -> int:
    if instruction := run.environment.get(guide.COMPLETE_VARIABLE):
        return shell_complete(cli, {}, PROGRAM_NAME, guide.COMPLETE_VARIABLE, instruction)
    try:
        # Not cli.main: it would turn a reader that left into exit 1.
        with cli.make_context(PROGRAM_NAME, list(arguments), obj=run) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return 0


def _report_fault(error: Exception, programs: Sequence[Program]) -> None:
    """A bug: one line and where to look, never a traceback with what somebody wrote."""
    place = ""
    try:
        place = f"; see {programs[0].record_crash(error)}" if programs else ""
    except Exception:  # whatever it is, the person is told of the first fault
        place = "; the log could not be written"
    output.note(f"A fault in tui_chat ({type(error).__name__}){place}.")
