"""The user profiles: each has its own key and its own file."""

from __future__ import annotations

import click

from tui_chat.cli import options, output
from tui_chat.cli.asking import confirm, may_prompt
from tui_chat.cli.run import Run, pass_run


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def users(ctx: click.Context, as_json: bool) -> None:
    """The user profiles; each has a key and a history of its own."""
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Run), as_json=as_json)


@users.command("list")
@options.as_json
@pass_run
def list_(run: Run, as_json: bool) -> None:
    """Every user, the one of this run marked."""
    _list(run, as_json=as_json)


@users.command()
@click.argument("name")
@pass_run
def add(run: Run, name: str) -> None:
    """Make a user; the key is made when its history is opened first."""
    run.program().add_user(name)


@users.command()
@click.argument("old")
@click.argument("new")
@pass_run
def rename(run: Run, old: str, new: str) -> None:
    """Give a user another name."""
    run.program().rename_user(old, new)


@users.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
@pass_run
def remove(run: Run, name: str, yes: bool) -> None:
    """Destroy a user's keys and history. Nothing brings them back."""
    if not yes and not may_prompt():
        raise click.UsageError("remove needs --yes where no terminal can be asked.")
    if not yes:
        confirm(f"Destroy the keys and the whole history of “{name}”?")
    run.do(lambda program: program.remove_user(name))


def _list(run: Run, *, as_json: bool) -> None:
    found = run.program().users()
    if as_json:
        output.document([{"name": user.name, "id": user.id, "current": user.current} for user in found])
        return
    for user in found:
        output.line(f"{'*' if user.current else ' '} {output.shown_line(user.name)}")
