"""The summary that ``ask`` needs where older messages no longer fit: made first, and shown on stderr."""

from __future__ import annotations

from tui_chat.cli import output
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import Conversation
from tui_chat.memory.summary import due
from tui_chat.services.options import Options
from tui_chat.services.program import Services


async def summarise_if_due(services: Services, conversation: Conversation, prompt: str, options: Options) -> None:
    """With the strategy ``summary``, make the summary that this prompt needs, before it is sent.

    One that cannot be made is said on stderr, and the prompt goes out without it, as its plan then says.
    """
    planning = services.planning
    model = planning.model_of(conversation, options)
    if planning.memory_of(conversation, options).strategy != "summary" or model is None:
        return
    opened = await services.library.open(conversation.id)
    branch, seen = opened.tree.branch, options.applied_to(opened.conversation)
    basis = await planning.basis(seen, options, ask=True)
    plan = await planning.look(seen, branch, prompt, basis, options)
    wanted = due(branch, plan, await services.summaries.newest(conversation.id, branch))
    if not wanted.messages:
        return
    output.note(f"Asking {model} for a summary of {len(wanted.sources):,} older messages first.")
    try:
        summary = await services.summaries.make(seen, branch, plan, model, _emit, on_piece=_say_piece)
    except TuiChatError as error:
        output.report(error)
        output.note("The prompt goes without this summary.")
        return
    output.note(f"The summary, which is sent instead of them:\n{summary.text}")


async def _emit(_: str) -> None:
    """It is shown whole, at the end."""


async def _say_piece(number: int, of: int) -> None:
    if of > 1:
        output.note(f"Piece {number:,} of {of:,} …")
