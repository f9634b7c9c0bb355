"""What would be sent, and why, without sending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tui_chat.cli import options, output
from tui_chat.cli.reading import SHOWN_OF_ID
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.context import ContextPlan, Entry, Kind
from tui_chat.core.errors import BadInput
from tui_chat.core.models import clean_surrogates
from tui_chat.core.plan_json import plan_to_json
from tui_chat.core.sentences import budget_sentence, error_sentence, gauge_sentence, sampling_sentence, warning_sentence
from tui_chat.services.options import Options
from tui_chat.services.program import Services

_TOKENS = click.IntRange(min=0)


@click.command()
@options.conversation
@click.option("--draft", metavar="TEXT", help="A prompt that would be sent with it (visible in the process list).")
@click.option(
    "--drafts",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="One prompt a line (- is stdin), one JSON plan a line out.",
)
@options.attached
@options.strategy
@click.option("--max-messages", type=_TOKENS, metavar="N", help="Earlier messages that the window holds.")
@click.option("--context-window", type=_TOKENS, metavar="TOKENS", help="The model's, instead of the known one.")
@click.option("--reserve", type=_TOKENS, metavar="TOKENS", help="Room to keep for the reply.")
@options.model
@options.as_json
@pass_run
def plan(
    run: Run,
    conversation: str,
    draft: str | None,
    drafts: Path | None,
    attached: tuple[str, ...],
    strategy: str | None,
    max_messages: int | None,
    context_window: int | None,
    reserve: int | None,
    model: str | None,
    as_json: bool,
) -> None:
    """What would be sent, and why. Opens no connection and stores nothing."""
    if draft is not None and drafts is not None:
        raise click.UsageError("--draft and --drafts exclude each other.")
    if draft is None and attached:
        draft = ""  # a file alone is a prompt too
    texts: Sequence[str | None] = (draft and clean_surrogates(draft),) if drafts is None else _lines_of(drafts)

    async def body(services: Services) -> None:
        found = await services.library.find(conversation)
        wanted = Options(
            model=options.model_named(services, model or run.model),
            strategy=strategy,
            max_messages=max_messages,
            context_window=context_window,
            reserve=reserve,
            attachments=await options.files_named(services, attached),
        )
        for text in texts:
            made = await services.planning.plan(found.id, text, wanted)
            if drafts is not None:
                output.document_line(plan_to_json(made))
            elif as_json:
                output.document(plan_to_json(made))
            else:
                _print(made)

    run.with_history(body, writes=False)


def print_warnings(made: ContextPlan) -> None:
    """What the model will not see, to stderr."""
    for warning in made.warnings:
        output.note(warning_sentence(warning))


def _lines_of(path: Path) -> Sequence[str]:
    """The lines of a file of drafts; only a line feed ends one, and the last need not have it."""
    try:
        with click.open_file(str(path), "rb") as file:
            text = file.read().decode()
    except UnicodeDecodeError as error:
        raise BadInput("The file of drafts is not UTF-8 text.") from error
    return text.removesuffix("\n").split("\n") if text else ()


def _print(made: ContextPlan) -> None:
    """A row for everything that is sent or not, then the sums, and what the model will not see."""
    places = {entry.id: entry.order for entry in made.entries if entry.order is not None}
    titles = {each.id: each.conversation for each in made.quotations if each.conversation is not None}
    if made.entries:
        output.line(_row("#", "", "reason", "role", "tokens", "message"))
    for entry in made.entries:
        place = "" if entry.order is None else str(entry.order)
        if entry.inside is not None:
            place = f"in {places[entry.inside]}"
        sent = "sent" if entry.sent else "not sent"
        output.line(_row(place, sent, entry.reason, entry.role, f"{entry.tokens:,}", _name(entry, titles)))
    output.line(f"{made.strategy}: {gauge_sentence(made)}")
    output.line(budget_sentence(made))
    if parameters := sampling_sentence(made):
        output.line(f"Parameters: {parameters}")
    for warning in made.warnings:
        output.line(warning_sentence(warning))
    if made.error is not None:
        output.line(error_sentence(made.error))


def _row(place: str, sent: str, reason: str, role: str, tokens: str, name: str) -> str:
    return f"{place:>6}  {sent:<8}  {reason:<22}  {role:<9}  {tokens:>9}  {name}"


def _name(entry: Entry, titles: Mapping[str, str]) -> str:
    """The end of a message's id, and where it was said if not here."""
    if entry.kind is Kind.DRAFT or (entry.id is None and entry.kind is not Kind.RETRIEVED):
        return "-"
    if entry.id is None:
        return "all quotations"
    title = titles.get(entry.id)
    return entry.id[-SHOWN_OF_ID:] + ("" if title is None else f"  of “{output.shown_line(title)}”")
