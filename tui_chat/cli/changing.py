"""Making and changing conversations: new, rename, pin, archive, tag, delete, undelete, clear."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import click

from tui_chat.cli import options, output
from tui_chat.cli.asking import confirm, may_prompt
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.errors import Ambiguous, BadInput, NotFound
from tui_chat.core.forms import conversation_form
from tui_chat.core.models import Conversation
from tui_chat.services.library import KEPT_DAYS, LibraryService
from tui_chat.services.program import Services


@click.command()
@click.argument("title", default="")
@options.system
@options.model
@options.as_json
@pass_run
def new(run: Run, title: str, system: str | None, model: str | None, as_json: bool) -> None:
    """Make an empty conversation and print its id."""

    async def body(services: Services) -> Conversation:
        chosen = options.model_named(services, model or run.model)
        return await services.library.new(title, system_prompt=system, model=chosen)

    made = run.with_history(body, create=True)
    if as_json:
        output.document(conversation_form(made))
    else:
        output.line(made.id)


@click.command()
@options.conversation
@click.argument("title")
@pass_run
def rename(run: Run, conversation: str, title: str) -> None:
    """Give a conversation another title."""

    async def body(services: Services) -> None:
        await services.library.rename((await services.library.find(conversation)).id, title)

    run.with_history(body)


Change = Callable[[LibraryService, str], Awaitable[None]]


def _changes(name: str, words: str, change: Change) -> click.Command:
    """A command that does one thing to one conversation."""

    @click.command(name, help=words)
    @options.conversation
    @pass_run
    def command(run: Run, conversation: str) -> None:
        async def body(services: Services) -> None:
            await change(services.library, (await services.library.find(conversation)).id)

        run.with_history(body)

    return command


SWITCHES = (
    _changes("pin", "Keep a conversation on top of the app's list.", partial(LibraryService.pin, pinned=True)),
    _changes("unpin", "Let a conversation take its place by time again.", partial(LibraryService.pin, pinned=False)),
    _changes(
        "archive",
        "Take a conversation out of the list without deleting it.",
        partial(LibraryService.archive, archived=True),
    ),
    _changes(
        "unarchive", "Put an archived conversation back into the list.", partial(LibraryService.archive, archived=False)
    ),
)


@click.command()
@options.conversation
@click.argument("tags", metavar="T...", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take these tags off.")
@pass_run
def tag(run: Run, conversation: str, tags: tuple[str, ...], remove: bool) -> None:
    """Put tags on a conversation."""
    if not all(each.strip() for each in tags):
        raise BadInput("A tag is not empty.")

    async def body(services: Services) -> None:
        found = await services.library.find(conversation)
        kept = [each for each in found.tags if each not in tags]
        await services.library.set_tags(found.id, kept if remove else [*found.tags, *tags])

    run.with_history(body)


@click.command()
@options.conversations
@click.option("--forever", is_flag=True, help="Erase from the file; nothing brings it back.")
@click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
@pass_run
def delete(run: Run, conversations: tuple[str, ...], forever: bool, yes: bool) -> None:
    """Delete conversations; `undelete` brings them back for 30 days."""
    if forever and not yes and not may_prompt():
        raise click.UsageError("--forever needs --yes where no terminal can be asked.")

    async def body(services: Services) -> None:
        if not forever:
            await services.library.delete([each.id for each in await options.find_all(services, conversations)])
            output.note(f"Deleted. `tui-chat undelete` brings it back for {KEPT_DAYS} days.")
            return
        found = [await _find_even_deleted(services, name) for name in conversations]
        if not yes:
            for each in found:
                output.note(f"  {each.id[-8:]}  {output.title(each.title)}")
            confirm("Erase forever?")
        await services.library.erase([each.id for each in found])

    run.with_history(body)


@click.command()
@options.conversation
@pass_run
def undelete(run: Run, conversation: str) -> None:
    """Restore a deleted conversation or, where it is not deleted, what the last clear removed."""

    async def body(services: Services) -> None:
        output.note(f"Restored the {await services.library.undelete(conversation)}.")

    run.with_history(body)


@click.command()
@options.conversation
@pass_run
def clear(run: Run, conversation: str) -> None:
    """Empty a conversation and keep its settings; `undelete` brings the messages back for 30 days."""

    async def body(services: Services) -> None:
        await services.library.clear((await services.library.find(conversation)).id)
        output.note(f"Cleared. `tui-chat undelete` brings the messages back for {KEPT_DAYS} days.")

    run.with_history(body)


COMMANDS: Sequence[click.Command] = (new, rename, *SWITCHES, tag, delete, undelete, clear)


async def _find_even_deleted(services: Services, name: str) -> Conversation:
    try:
        return await services.library.find(name)
    except Ambiguous:
        raise
    except NotFound:
        return await services.library.find(name, deleted=True)
