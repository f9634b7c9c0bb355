"""The chat screen's shell: its widgets, and what around the transcript depends on what is shown."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from tui_chat.core import clock
from tui_chat.core.address import place_of
from tui_chat.core.clean import clean_line
from tui_chat.core.clock import Clock
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import NotFound, TuiChatError
from tui_chat.core.headers import header_of
from tui_chat.core.ids import make_id
from tui_chat.core.models import Attachment, Body, Conversation, ListedConversation, MessageHeader
from tui_chat.core.settings import GUIDE, GUIDE_MODEL
from tui_chat.core.tree import Tree
from tui_chat.services.options import Options, is_long
from tui_chat.services.program import Program, Services
from tui_chat.ui.shown import ASSUMED, Shown
from tui_chat.ui.widgets.chat_transcript import ChatTranscript
from tui_chat.ui.widgets.chips import Chips
from tui_chat.ui.widgets.context_gauge import ContextGauge
from tui_chat.ui.widgets.conversation_list import ConversationList
from tui_chat.ui.widgets.filter_input import FilterInput
from tui_chat.ui.widgets.key_bar import KeyBar
from tui_chat.ui.widgets.prompt import PromptInput
from tui_chat.ui.widgets.top_bar import TopBar
from tui_chat.ui.widgets.truncation_warning import TruncationWarning

if TYPE_CHECKING:
    from tui_chat.core.ports import FoundServer
    from tui_chat.services.planning import PlanningService

PLAN_SECONDS = 0.15
"""How long the typing rests before the plan of the draft is shown."""

FILTER_SECONDS = 0.08
NARROW = 90
"""Columns under which the sidebar hides by itself."""


Shell = TypeVar("Shell", bound="ChatShell")
Given = ParamSpec("Given")


def reporting(
    method: Callable[Concatenate[Shell, Given], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[Shell, Given], Coroutine[Any, Any, None]]:
    """What a person can act on is shown and ends nothing: for handlers and workers (actions have the app for it)."""

    @wraps(method)
    async def reported(self: Shell, /, *args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            await method(self, *args, **kwargs)
        except TuiChatError as error:
            self.report(error)
            await self.refresh_list()

    return reported


class ChatShell(Screen[None]):
    """Widgets, list, draft, plan and destination of the conversation on show.

    Until there are services the history is locked: the prompt takes text and nothing is sent.
    """

    top_bar = getters.query_one(TopBar)
    filter = getters.query_one(FilterInput)
    list = getters.query_one(ConversationList)
    title_line = getters.query_one("#title", Static)
    transcript = getters.query_one(ChatTranscript)
    welcome = getters.query_one("#welcome", Static)
    below = getters.query_one("#below", Static)
    editing_line = getters.query_one("#editing", Static)
    warning = getters.query_one(TruncationWarning)
    chips = getters.query_one(Chips)
    prompt = getters.query_one(PromptInput)
    gauge = getters.query_one(ContextGauge)
    key_bar = getters.query_one(KeyBar)

    def __init__(self, program: Program, *, now: Clock = clock.now) -> None:
        super().__init__()
        self._now = now
        self.program = program
        self.services: Services | None = None
        self.shown = blank()
        self.plan: ContextPlan | None = None
        self.edited: str | None = None
        """The message whose text the prompt holds instead of a draft."""
        self.files: tuple[Attachment, ...] = ()
        """What goes with the draft."""
        self.edited_files: tuple[Attachment, ...] = ()
        """What goes with the message that is edited."""
        self.live_plan: ContextPlan | None = None
        """What was sent for the reply that is being written."""
        self._planned: str | None = None
        """The conversation that ``plan`` is of."""
        self._found: Sequence[FoundServer] | None = None
        self._files: int | None = None
        self._plan_timer: Timer | None = None
        self._filter_timer: Timer | None = None
        self.sidebar_by_hand: bool | None = None

    # -- the shell ----------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """As few widgets as there can be: styling each costs more than all their CSS."""
        yield TopBar()
        with Horizontal(id="body"):
            with Vertical(id="sidebar"):
                yield FilterInput(id="filter")
                yield ConversationList(self._fetch_rows, now=self._now, id="list")
            with Vertical(id="chat"):
                yield Static(id="title", markup=False)
                yield ChatTranscript(now=self._now, before_keys="esc, then ", id="transcript")
                yield Static(id="welcome", markup=False)
                yield Static(Content("↓ more below"), id="below", markup=False)
                yield TruncationWarning(id="warning")
                yield Static(id="editing", markup=False)
                with Vertical(id="composer"):
                    yield Chips(id="chips")
                    yield PromptInput(id="prompt", enter_sends=self.program.settings.enter_sends)
                    yield ContextGauge(id="gauge")
        yield KeyBar()

    def on_mount(self) -> None:
        """Name the user; everything else waits for the history."""
        self.top_bar.user = self.program.user
        self.fit_sidebar(self.size.width)

    def on_resize(self, event: events.Resize) -> None:
        """The sidebar goes by itself where there is no room."""
        self.fit_sidebar(event.size.width)

    def fit_sidebar(self, width: int) -> None:
        visible = width >= NARROW if self.sidebar_by_hand is None else self.sidebar_by_hand
        self.query_one("#sidebar").set_class(not visible, "-hidden")

    # -- what is shown ------------------------------------------------------------------------

    def take_over(self, shown: Shown) -> None:
        """From now on this is what is shown; the transcript is drawn by who calls this."""
        self.shown = shown
        self.set_class(not shown.branch, "-empty")

    def show_surroundings(self) -> None:
        """Draw everything around the transcript that depends on what is shown."""
        self.show_title()
        self._show_destination()
        self.learn_basis()
        self.replan()
        if not self.shown.branch:
            self._show_welcome()

    def show_title(self) -> None:
        """Draw the title."""
        self.title_line.update(Content(clean_line(self.shown.conversation.title) or "New conversation"))

    # -- the destination and its window ---------------------------------------------------------

    def _show_destination(self) -> None:
        services = self.services
        model = services.planning.model_of(self.shown.conversation) if services else None
        if services is None or model is None:
            self.top_bar.reach = ""
            return
        try:
            endpoint = services.endpoints.endpoint(model.endpoint)
        except TuiChatError:
            self.top_bar.reach, self.top_bar.host = "cloud", "unknown endpoint"
            self.top_bar.model = str(model)
            return
        self.top_bar.reach = services.endpoints.reach(model)
        self.top_bar.model = "offline guide, not an AI" if endpoint.dialect == "guide" else model.name
        self.top_bar.host = services.endpoints.runs_at(model) or place_of(endpoint.base_url)

    @work(group="window", exclusive=True)
    @reporting
    async def learn_basis(self) -> None:
        """Read what a plan goes by; ask how many tokens the model takes; plan again with what is known."""
        services, shown = self.services, self.shown
        if services is None or services.planning.model_of(shown.conversation) is None:
            return
        for ask in (False, True):
            basis = await services.planning.basis(shown.conversation, ask=ask)
            model = services.planning.model_of(shown.conversation)
            facts = await services.spending.facts(model) if model else None
            if shown.id == self.shown.id and (basis, facts) != (self.shown.basis, self.shown.facts):
                self.shown = replace(self.shown, basis=basis, facts=facts)
                self.replan()
        if shown.id == self.shown.id:
            self._show_destination()  # its server may have said that it hands the model on

    # -- the plan of the draft --------------------------------------------------------------------

    def planned_branch(self) -> Sequence[MessageHeader]:
        """What stands before the next prompt: the branch on show, or what is before the message being edited.

        A reply that is arriving counts with what has arrived of it.
        """
        shown = self.shown
        branch = shown.tree.path_to(self.edited)[:-1] if self.edited in shown.tree else shown.branch
        arriving = self.require_services().chat.arriving(shown.id)
        if arriving is None:
            return branch
        live = header_of(replace(arriving.reply, text=arriving.body.text))
        return tuple(live if header.id == live.id else header for header in branch)

    @property
    def going(self) -> tuple[Attachment, ...]:
        """The files that go with what the prompt holds."""
        return self.files if self.edited is None else self.edited_files

    @property
    def wanted_draft(self) -> str | None:
        """What the prompt holds, None where that is nothing: neither a text nor a file."""
        draft = self.prompt.draft
        return draft if draft.strip() or self.going else None

    @property
    def draft_options(self) -> Options:
        """What a plan of the draft goes by beside its text."""
        return Options(attachments=self.going)

    def show_files(self) -> None:
        """Show which files go with the prompt, and which of them would not be sent."""
        takes_images = self.shown.basis.takes_images is not False
        self.chips.show_files(self.going, fixed=self.edited is not None, takes_images=takes_images)

    def replan(self) -> None:
        """Show what would be sent with the draft as it is, and mark what would not."""
        self.workers.cancel_group(self, "plan")
        self.show_files()
        if self.services is None or self.services.planning.model_of(self.shown.conversation) == GUIDE_MODEL:
            self._show_plan(None)  # the guide is no model: it has no window, and is told nothing
            return
        planning, shown = self.services.planning, self.shown
        draft, options, branch = self.wanted_draft, self.draft_options, self.planned_branch()
        self.gauge.queued = len(self.services.chat.queued(shown.id))
        if self.live_plan is not None and draft is None:
            # While a reply is written and nothing new is typed, what it was asked with stays on show.
            self._show_plan(self.live_plan)
        elif planning.needs_gathering(shown.conversation) or is_long(branch, draft, options.attachments):
            if self._planned != shown.id:
                self._show_plan(None)  # another conversation's plan would be a lie
            self._replan_beside(planning, shown, branch, draft, options)
        else:
            self._show_plan(planning.preview(shown.conversation, branch, draft, shown.basis, options))

    @work(group="plan", exclusive=True)
    @reporting
    async def _replan_beside(
        self,
        planning: PlanningService,
        shown: Shown,
        branch: Sequence[MessageHeader],
        draft: str | None,
        options: Options,
    ) -> None:
        """A plan that takes long, or that asks an index: first what is known at once, then all of it."""
        for wait in (False, True):
            plan = await planning.look(shown.conversation, branch, draft, shown.basis, options, wait=wait)
            self._show_plan(plan)
            if not any(warning.code == "not_searched" and warning.why == "building" for warning in plan.warnings):
                return

    def _show_plan(self, plan: ContextPlan | None) -> None:
        self.plan = plan
        self._planned = None if plan is None else self.shown.id
        self.warning.show_plan(plan)
        self.gauge.show_plan(plan, self.shown.facts)
        self.transcript.show_plan(plan)

    @on(TextArea.Changed, "#prompt")
    def _draft_changed(self) -> None:
        if self._plan_timer is not None:
            self._plan_timer.stop()
        self._plan_timer = self.set_timer(PLAN_SECONDS, self.replan)

    # -- the list -------------------------------------------------------------------------------------

    async def refresh_list(self) -> None:
        """List the conversations that match the filter, newest first; a list that cannot be read stays as it is."""
        if self.services is None:
            return
        try:
            self.list.set_index(await self.services.library.index(text=self.filter.value))
            await self.mark_open()
        except TuiChatError as error:
            self.report(error)

    async def mark_open(self) -> None:
        """Mark the conversation on show in the list."""
        if self.services is not None:
            try:
                self.list.open_key = await self.services.library.key(self.shown.id) if self.shown.stored else None
            except NotFound:  # deleted, perhaps by another program
                self.list.open_key = None

    async def _fetch_rows(self, keys: Sequence[int]) -> Sequence[ListedConversation]:
        return await self.services.library.listed(keys) if self.services else ()

    async def fetch_bodies(self, ids: Sequence[str]) -> Mapping[str, Body]:
        """The texts of these messages, for the transcript."""
        return await self.services.library.bodies(ids) if self.services else {}

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.set_timer(
            FILTER_SECONDS, lambda: self.run_worker(self.refresh_list(), group="filter", exclusive=True)
        )

    @on(ConversationList.FetchFailed)
    @on(ChatTranscript.FetchFailed)
    def _report_failed_fetch(self, event: ConversationList.FetchFailed | ChatTranscript.FetchFailed) -> None:
        self.report(event.error)

    @on(FilterInput.Left)
    def _leave_filter(self) -> None:
        self.list.focus()

    # -- saying ---------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Show a short word of confirmation."""
        self.notify(text, timeout=4, markup=False)

    def report(self, error: TuiChatError) -> None:
        """Show a failure: what happened, and what to do next."""
        text = "\n".join(part for part in (str(error), error.hint) if part)
        self.notify(text, severity="error", timeout=10, markup=False)

    def require_services(self) -> Services:
        """The open history. Raises a fault where it is locked."""
        if self.services is None:
            raise RuntimeError("the history is locked")
        return self.services

    def _show_welcome(self) -> None:
        # Imported here: a conversation that is resumed has no use for it.
        from tui_chat.ui.welcome import welcome

        services = self.services
        model = services.planning.model_of(self.shown.conversation) if services else None
        ready = [each for each in services.endpoints.all() if each != GUIDE] if services else []
        self.welcome.update(welcome(model, self._found, self._files, ready))
        if model == GUIDE_MODEL and self._found is None:
            self._discover()

    @work(group="discover", exclusive=True)
    @reporting
    async def _discover(self) -> None:
        """Look for model servers and model files on this computer, to offer them."""
        services = self.services
        if services is not None:
            self._found = await services.endpoints.discover()
            self._show_welcome()
            self._files = len(await services.local.files())
            self._show_welcome()

    def say_problems(self) -> None:
        said = {"Settings": self.program.settings_problems, "Environment": self.require_services().endpoints.problems}
        for title, problems in said.items():
            for problem in problems:
                self.notify(problem, title=title, severity="warning", timeout=10, markup=False)


def blank() -> Shown:
    instant = clock.now()
    return Shown(Conversation(make_id(), "", instant, instant), Tree((), None), stored=False, basis=ASSUMED)
