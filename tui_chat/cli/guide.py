"""Help beyond ``--help``: the user's guide, and completion for shells."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tui_chat.cli import output
from tui_chat.core.errors import NotFound
from tui_chat.core.guide import topics

COMPLETE_VARIABLE = "_TUI_CHAT_COMPLETE"


@click.command()
@click.argument("topic", required=False)
def guide(topic: str | None) -> None:
    """Read the guide; without TOPIC, the list of its topics."""
    if topic is None:
        for name, text in topics().items():
            output.line(f"{name:<10}{text.splitlines()[0].lstrip('# ')}")
        return
    if topic not in topics():
        raise NotFound("The guide has no such topic.", hint=f"It has: {', '.join(topics())}.")
    output.write(topics()[topic])


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell, to be read by its start file."""
    script = get_completion_class(shell)
    if script is None:
        raise NotFound(f"There is no completion for {shell}.")
    root = ctx.find_root()
    output.line(script(root.command, {}, root.info_name or "tui-chat", COMPLETE_VARIABLE).source())
