"""Looking at what there is: list, show, search."""

from __future__ import annotations

from typing import Any

import click

from tui_chat.cli import options, output
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.clock import to_rfc3339
from tui_chat.core.forms import conversation_form
from tui_chat.core.models import Attachment, Message, Role, Status
from tui_chat.core.ports import ListedConversation, SearchHit
from tui_chat.services.program import Services

SHOWN_OF_ID = 8
"""Characters of an id that lists show: its last, because the first are the time."""


@click.command("list")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@click.option("--archived", is_flag=True, help="The archived ones.")
@click.option("--deleted", is_flag=True, help="The deleted ones; `undelete` restores them.")
@click.option("--tag", metavar="T", help="Those with that tag.")
@options.as_json
@pass_run
def list_(run: Run, limit: int | None, archived: bool, deleted: bool, tag: str | None, as_json: bool) -> None:
    """The conversations, newest first."""

    async def body(services: Services) -> list[ListedConversation]:
        index = await services.library.index(archived=archived, deleted=deleted, tag=tag)
        # The index has pinned ones on top, for the app; here the newest is the first.
        newest = sorted(zip(index.updated_at, index.keys, strict=True), key=lambda each: each[0], reverse=True)
        return list(await services.library.listed([key for _, key in newest[:limit]]))

    rows = run.with_history(body, writes=False)
    if as_json:
        output.document([{**conversation_form(row.conversation), "message_count": row.message_count} for row in rows])
        return
    for row in rows:
        one = row.conversation
        marks = " (pinned)" if one.pinned else ""
        when = output.local_minute(one.updated_at)
        output.line(f"{one.id[-SHOWN_OF_ID:]}  {when}  {row.message_count:>5}  {output.title(one.title)}{marks}")


@click.command()
@options.conversation
@options.as_json
@pass_run
def show(run: Run, conversation: str, as_json: bool) -> None:
    """The messages of the branch on show; with --json the whole tree, as `export` writes it."""

    async def body(services: Services) -> None:
        found = await services.library.find(conversation)
        if as_json:
            output.write_bytes(await services.transfer.export([found.id]))
            return
        output.line(output.title(found.title))
        for message in await services.library.branch(found.id):
            output.line()
            output.line(_heading(message.settled()))
            _print_body(message)

    run.with_history(body, writes=False)


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most so many."
)
@options.as_json
@pass_run
def search(run: Run, query: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Titles and messages in which all words occur."""

    async def body(services: Services) -> list[SearchHit]:
        return list(await services.library.search(" ".join(query), limit=limit))

    hits = run.with_history(body, writes=False)
    if as_json:
        output.document([_hit_form(hit) for hit in hits])
        return
    if not hits:
        output.note("Nothing found.")
    for hit in hits:
        what = hit.role or "title"
        when = f"  {output.local_minute(hit.created_at)}" if hit.created_at is not None else ""
        output.line(f"{hit.conversation_id[-SHOWN_OF_ID:]}{when}  {what}  {output.title(hit.title)}")
        if hit.role is not None:
            output.line(f"    {output.shown_line(hit.snippet)}")


def _hit_form(hit: SearchHit) -> dict[str, Any]:
    return {
        "conversation": hit.conversation_id,
        "title": hit.title,
        "message": hit.message_id,
        "role": hit.role,
        "created_at": None if hit.created_at is None else to_rfc3339(hit.created_at),
        "snippet": hit.snippet,
    }


def _heading(message: Message) -> str:
    if message.role is Role.ASSISTANT:
        speaker = output.shown_line(str(message.model)) if message.model else "reply"
    else:
        speaker = "you" if message.role is Role.USER else message.role.value
    status = "" if message.status is Status.COMPLETE else f"  {message.status.value}"
    return f"[{speaker}  {output.local_minute(message.created_at)}{status}]"


def _print_body(message: Message) -> None:
    if message.text:
        output.line(output.shown(message.text))
    for part in message.parts:
        if isinstance(part, Attachment):
            output.line(f"(attachment: {output.shown_line(part.name)}, {part.size:,} bytes)")
    if message.error:
        output.line(f"({output.shown_line(message.error)})")
