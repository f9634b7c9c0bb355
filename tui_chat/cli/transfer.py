"""Conversations to files and back: export, import."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from tui_chat.cli import options, output
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.clean import clean
from tui_chat.core.errors import BadInput, Refused
from tui_chat.core.ports import ImportCount
from tui_chat.services.program import Services

_PLAINTEXT = "An export is plaintext: anyone who gets it can read it."


@click.command()
@click.argument("conversations", metavar="CONV...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are not deleted, the archived ones too.")
@click.option("-o", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE (mode 0600).")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option("--format", "format_", default="json", show_default=True, metavar="F", help="json or markdown.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the JSON format instead.")
@pass_run
def export(
    run: Run,
    conversations: tuple[str, ...],
    everything: bool,
    target: Path | None,
    force: bool,
    format_: str,
    schema: bool,
) -> None:
    """Write conversations with every version of every message, as plaintext."""
    if schema:
        output.write_bytes(files("tui_chat").joinpath("transfer/schemas/export.json").read_bytes())
        return
    if bool(conversations) == everything:
        raise click.UsageError("Name conversations, or give --all.")
    if target is not None and not force and target.exists():
        raise Refused(f"{target} is there already.", hint="Choose another name, or give --force.")
    if target is not None and not target.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {target.absolute().parent}.")

    async def body(services: Services) -> bytes:
        ids = None if everything else [each.id for each in await options.find_all(services, conversations)]
        return await services.transfer.export(ids, format=format_)

    data = run.with_history(body, writes=False)
    output.note(_PLAINTEXT)
    if target is not None:
        run.program().write_private_file(target.absolute(), data, overwrite=force)
    elif output.is_terminal():
        output.write(clean(data.decode()))
    else:
        output.write_bytes(data)


@click.command("import")
@click.argument(
    "sources",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--format", "format_", metavar="F", help="Do not guess the format from the content.")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and import nothing.")
@options.as_json
@pass_run
def import_(run: Run, sources: tuple[Path, ...], format_: str | None, dry_run: bool, as_json: bool) -> None:
    """Take conversations from files (- is stdin); what has a known id is left as it is.

    Nothing is written unless every file is understood whole.
    """
    contents = [_read(source) for source in sources]

    async def body(services: Services) -> ImportCount:
        return await services.transfer.load(*contents, format=format_, dry_run=dry_run)

    count = run.with_history(body, create=not dry_run, writes=not dry_run)
    if as_json:
        output.document(
            {"conversations": count.conversations, "messages": count.messages, "unchanged": count.unchanged}
        )
        return
    done = "Would import" if dry_run else "Imported"
    conversations = "1 conversation" if count.conversations == 1 else f"{count.conversations:,} conversations"
    messages = "1 message" if count.messages == 1 else f"{count.messages:,} messages"
    here = "1 was" if count.unchanged == 1 else f"{count.unchanged:,} were"
    output.line(f"{done} {conversations} with {messages}; {here} here already.")


def _read(source: Path) -> bytes:
    try:
        with click.open_file(str(source), "rb") as file:
            data: bytes = file.read()
    except OSError as error:
        raise BadInput(f"{source} cannot be read ({error.strerror}).") from error
    return data
