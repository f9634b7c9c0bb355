"""One turn from the command line: the prompt from arguments and stdin, the reply to stdout as it comes."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import click

from tui_chat.cli import options, output
from tui_chat.cli.plan import print_warnings
from tui_chat.cli.run import Run, pass_run
from tui_chat.cli.summarising import summarise_if_due
from tui_chat.core.attachments import is_image, is_text
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import BadInput, TuiChatError
from tui_chat.core.events import PlanReady, PromptSaved, ReplyStarted, RetryScheduled, TextDelta, TurnEnded, TurnEvent
from tui_chat.core.forms import message_form
from tui_chat.core.ids import make_id
from tui_chat.core.models import Conversation, Message
from tui_chat.core.plan_json import plan_to_json
from tui_chat.core.settings import Settings
from tui_chat.services.options import Options
from tui_chat.services.program import Services


@click.command()
@click.argument("text", required=False)
@click.option("-c", "conversation", metavar="CONV", help="Go on with this conversation.")
@click.option("--new", "fresh", is_flag=True, help="A new conversation (so it is without -c).")
@options.system
@options.model
@options.strategy
@options.attached
@click.option("--no-save", is_flag=True, help="Store nothing of this turn.")
@options.as_json
@pass_run
def ask(
    run: Run,
    text: str | None,
    conversation: str | None,
    fresh: bool,
    system: str | None,
    model: str | None,
    strategy: str | None,
    attached: tuple[str, ...],
    no_save: bool,
    as_json: bool,
) -> None:
    """Ask once and print the reply.

    The prompt is TEXT, then what stdin holds. TEXT is visible to every user of this computer in
    the process list; private text belongs into stdin: tui-chat ask < question.txt

    Texts that are attached stand behind the prompt, each under its name; images go to models that
    take them. A text or an image alone is a prompt too.

    --json prints one document for every turn that began, also for one that failed. Where no turn
    began (no such conversation or endpoint, a locked history) stdout stays empty.
    """
    if conversation is not None and fresh:
        raise click.UsageError("-c and --new exclude each other.")
    prompt = _prompt(text, alone=not attached)

    async def body(services: Services) -> Turn:
        wanted = Options(
            model=options.model_named(services, model or run.model),
            strategy=strategy,
            system_prompt=system,
            attachments=await options.files_named(services, attached),
        )
        if not prompt.strip() and not any(is_text(each) or is_image(each) for each in wanted.attachments):
            raise BadInput("Nothing of this would be sent: such a file is only kept.", hint="Give a TEXT with it.")
        turn = Turn(services, run.program().settings, as_json=as_json)
        try:
            if no_save:
                await turn.ask_unsaved(conversation, prompt, wanted)
            else:
                await turn.ask(conversation, prompt, wanted)
        finally:
            turn.end()
        return turn

    turn = run.with_history(body, create=not no_save, writes=not no_save)
    if turn.error is not None:
        output.report(turn.error)
        raise click.exceptions.Exit(turn.error.exit_code)


@dataclass
class Turn:
    """A turn as it is seen from a pipe: each piece printed as it comes, or the whole as one document."""

    services: Services
    settings: Settings
    as_json: bool
    conversation: Conversation | None = None
    prompt: Message | None = None
    reply: Message | None = None
    plan: ContextPlan | None = None
    error: TuiChatError | None = None
    reader_left: bool = False
    printed: list[str] = field(default_factory=list)

    async def ask(self, name: str | None, prompt: str, wanted: Options) -> None:
        """A saved turn. In a new conversation the options become its settings."""
        library = self.services.library
        if name is not None:
            self.conversation = await library.find(name)
        else:
            memory = None
            if wanted.strategy is not None:
                memory = replace(self.settings.memory, strategy=wanted.strategy)
            self.conversation = await library.new(system_prompt=wanted.system_prompt, model=wanted.model, memory=memory)
        await summarise_if_due(self.services, self.conversation, prompt, wanted)
        # What the person is typing there, in the app, is theirs.
        await self.services.chat.send(
            self.conversation.id, prompt, self.show, wanted, parts=wanted.attachments, keep_draft=True
        )

    async def ask_unsaved(self, name: str | None, prompt: str, wanted: Options) -> None:
        """A turn of which nothing is stored."""
        chat, library = self.services.chat, self.services.library
        if name is None:
            await chat.ask_unsaved(Conversation(make_id(), "", 0, 0), (), prompt, self.show, wanted)
            return
        self.conversation = await library.find(name)
        opened = await library.open(self.conversation.id)
        await chat.ask_unsaved(opened.conversation, opened.tree.branch, prompt, self.show, wanted)

    async def show(self, event: TurnEvent) -> None:
        """Take what happens in the turn."""
        match event:
            case PromptSaved(prompt):
                self.prompt = prompt
            case ReplyStarted(reply):
                self.reply = reply
            case PlanReady(plan):
                if self.plan is None:  # it comes again where the model refuses a parameter
                    print_warnings(plan)
                self.plan = plan
            case TextDelta(text):
                self._print(text)
            case RetryScheduled(seconds, reason):
                output.note(f"{reason} Trying again in {seconds:.0f} s.")
            case TurnEnded(reply, error):
                self.reply, self.error = reply, error
                if error is None and reply.error:
                    output.note(reply.error)

    def end(self) -> None:
        """The last line end, or the document. Raises BrokenPipeError where the reader had left."""
        if self.reader_left:
            raise BrokenPipeError
        if self.as_json and self.prompt is not None:
            output.document(self.form())
        elif self.printed and not self.printed[-1].endswith("\n"):
            output.line()

    def form(self) -> dict[str, Any]:
        """The turn as JSON; ``conversation`` is null where nothing was stored of a new one."""
        return {
            "conversation": None if self.conversation is None else self.conversation.id,
            "prompt": None if self.prompt is None else message_form(self.prompt),
            "reply": None if self.reply is None else message_form(self.reply),
            "plan": None if self.plan is None else plan_to_json(self.plan),
        }

    def _print(self, text: str) -> None:
        if self.as_json or not text or self.reader_left:
            return
        try:
            output.write(output.shown(text))
            self.printed[:] = [text]
        except BrokenPipeError:
            # Who reads has seen enough: that is a stop, not a fault.
            self.reader_left = True
            if self.conversation is None or not self.services.chat.stop(self.conversation.id):
                raise


def _prompt(text: str | None, *, alone: bool) -> str:
    """TEXT, an empty line, and stdin to its end where it is not a terminal and not empty.

    Empty only where it is not ``alone``. Raises UsageError.
    """
    piped = ""
    if sys.stdin is not None and not sys.stdin.isatty():
        with suppress(OSError):  # a closed stdin holds nothing
            piped = sys.stdin.buffer.read().decode(errors="replace")
    parts = [part for part in (text, piped) if part]
    if alone and not any(part.strip() for part in parts):
        raise click.UsageError("There is no prompt: give a TEXT, or pipe one to stdin.")
    return "\n\n".join(parts)
