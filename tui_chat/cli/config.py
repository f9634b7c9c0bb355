"""The settings file: where it is, what holds, change it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from tui_chat.cli import output
from tui_chat.cli.asking import may_prompt
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.settings import Endpoint, Settings


@click.group(invoke_without_command=True)
@click.pass_context
def config(ctx: click.Context) -> None:
    """The settings file: looks, keys, endpoints, defaults. No secrets."""
    if ctx.invoked_subcommand is None:
        _show(ctx.ensure_object(Run))


@config.command()
@pass_run
def path(run: Run) -> None:
    """Where the settings file is."""
    output.line(str(run.program().settings_path))


@config.command()
@pass_run
def show(run: Run) -> None:
    """The settings that hold, defaults included, as TOML."""
    _show(run)


@config.command()
@pass_run
def edit(run: Run) -> None:
    """Open the settings file in $VISUAL or $EDITOR."""
    if not may_prompt():
        raise click.UsageError("edit needs a terminal; `tui-chat config set` does not.")
    program = run.program()
    place = program.settings_path
    if not place.exists():
        program.write_private_file(place, b"", overwrite=False)
    click.edit(filename=str(place))
    for problem in run.make_program(user=None, model=None, interactive=False).settings_problems:
        output.note(problem)


@config.command("set")
@click.argument("key")
@click.argument("value")
@pass_run
def set_(run: Run, key: str, value: str) -> None:
    """Set KEY (such as memory.max_messages) to VALUE; an empty VALUE takes it out. Refuses secrets."""
    run.program().set_setting(key, value)


def _show(run: Run) -> None:
    program = run.program()
    for line in _lines(program.settings):
        output.line(output.shown_line(line))


def _lines(settings: Settings) -> Iterator[str]:
    yield f"user = {_value(settings.user)}"
    yield f"theme = {_value(settings.theme)}"
    if settings.model is not None:
        yield f"model = {_value(str(settings.model))}"
    yield f"enter_sends = {_value(settings.enter_sends)}"
    yield f"show_thinking = {_value(settings.show_thinking)}"
    yield f"first_byte_timeout = {_value(settings.first_byte_timeout)}"
    yield ""
    yield "[memory]"
    yield f"strategy = {_value(settings.memory.strategy)}"
    yield f"max_messages = {_value(settings.memory.max_messages)}"
    yield f"trim = {_value(settings.memory.trim)}"
    if parameters := settings.sampling.values:
        yield ""
        yield "[sampling]"
        yield from (f"{name} = {_value(value)}" for name, value in parameters.items())
    for endpoint in settings.endpoints:
        yield from _endpoint(endpoint)
    if settings.keymap:
        yield ""
        yield "[keymap]"
        yield from (f"{_value(action)} = {_value(keys)}" for action, keys in settings.keymap.items())


def _endpoint(endpoint: Endpoint) -> Iterator[str]:
    yield ""
    yield f"[endpoints.{_value(endpoint.name)}]"
    yield f"base_url = {_value(endpoint.base_url)}"
    yield f"dialect = {_value(endpoint.dialect)}"
    if endpoint.key_env is not None:
        yield f"key_env = {_value(endpoint.key_env)}"
    if endpoint.context_window is not None:
        yield f"context_window = {_value(endpoint.context_window)}"


def _value(value: str | float | bool) -> str:
    """A TOML value: its texts, numbers and booleans are written as JSON writes them."""
    return json.dumps(value, ensure_ascii=False)
