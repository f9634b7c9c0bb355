"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tui_chat.core.models import Attachment, Conversation, ModelRef, clean_surrogates
from tui_chat.memory import STRATEGIES
from tui_chat.services.program import Services

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
conversation = click.argument("conversation", metavar="CONV")
conversations = click.argument("conversations", metavar="CONV...", nargs=-1, required=True)
model = click.option("--model", metavar="ENDPOINT/NAME", help="The model that answers.")
system = click.option(
    "-s",
    "--system",
    metavar="TEXT",
    callback=lambda _context, _option, text: text and clean_surrogates(text),
    help="The system prompt.",
)
strategy = click.option(
    "--strategy", type=click.Choice([each.name for each in STRATEGIES]), help="What the model gets to remember."
)

attached = click.option(
    "--attach",
    "attached",
    multiple=True,
    metavar="FILE",
    help="A text, image or PDF that goes with the prompt; give it again for each file.",
)


async def find_all(services: Services, names: Sequence[str]) -> list[Conversation]:
    """The conversations of these names, each once. Raises NotFound before anything is done to any of them."""
    found = {}
    for name in names:
        one = await services.library.find(name)
        found[one.id] = one
    return list(found.values())


async def files_named(services: Services, paths: Sequence[str]) -> tuple[Attachment, ...]:
    """The files of ``attached``. Raises NotFound and BadInput before anything is stored."""
    return tuple([await services.files.read(path) for path in paths])


def model_named(services: Services, text: str | None) -> ModelRef | None:
    """The model of an option; None where it was not given. Raises NoModel."""
    return services.endpoints.parse(text) if text else None
