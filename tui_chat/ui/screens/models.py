"""Chooses the model that answers, among all endpoints, and adds endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import OptionList, Static

from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import FoundServer
from tui_chat.core.settings import GUIDE_MODEL, Endpoint
from tui_chat.services.endpoints import GGUF, EndpointService
from tui_chat.services.environment import variable_of
from tui_chat.ui.forms import AskScreen, Card, Choices, ListFilter, Pick, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.address_repair import free_name
from tui_chat.ui.screens.endpoint_form import EndpointForm
from tui_chat.ui.screens.model_rows import (
    OWN,
    Add,
    Adopt,
    Choice,
    Consent,
    Mend,
    Offer,
    OpenFile,
    Row,
    Use,
    rows,
    sentence,
)
from tui_chat.ui.screens.reach import host_of
from tui_chat.ui.text import clean_line, plain


class ModelScreen(Modal[ModelRef | None]):
    """The model that was chosen; None where the person steps back. Endpoints are asked one by one, at the same time."""

    BINDINGS = [
        Binding("ctrl+n", "add", "Add endpoint", id="models.add", tooltip="Add a model service by hand"),
        Binding(
            "ctrl+o",
            "open_file",
            "Open file",
            id="models.open",
            tooltip="Open a model file of this computer",
            show=False,
        ),
        Binding("f2", "edit", "Edit", id="models.edit", tooltip="Change the endpoint of the highlighted line"),
        Binding(
            "f4",
            "favourite",
            "Favourite",
            id="models.favourite",
            tooltip="Have the highlighted model stand first, or no longer",
        ),
        Binding("f5", "reload", "Ask again", id="models.reload", tooltip="Ask every endpoint for its models again"),
        Binding("escape", "cancel", "Back", id="models.cancel", tooltip="Choose nothing"),
    ]

    CSS_PATH = "models.tcss"

    choices = query_one(Choices)
    filter = query_one(ListFilter)
    hint = query_one("#hint", Static)
    said = query_one(Said)

    def __init__(self, endpoints: EndpointService, current: ModelRef | None = None) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._current = current
        self._offers: dict[str, Offer] = {}
        self._found: Sequence[FoundServer] | None = None
        self._favourites: Sequence[ModelRef] = ()
        self._rows: list[Row] = []
        self._wanted = ""

    def compose(self) -> ComposeResult:
        choices = Choices(can_focus=False)
        yield Card(
            "Model",
            ListFilter(choices, self._show, placeholder="type to filter"),
            choices,
            Static(id="hint", markup=False),
            Said(),
        )

    def on_mount(self) -> None:
        self.filter.focus()
        self._ask_all()
        self._read_favourites()

    # -- what there is --------------------------------------------------------------------

    def _ask_all(self) -> None:
        """Show every endpoint at once; their models come as they answer."""
        self.workers.cancel_group(self, "models")
        endpoints = (*self._endpoints.all(), *([GGUF] if self._endpoints.local is not None else []))
        self._offers = {endpoint.name: Offer(endpoint) for endpoint in endpoints}
        self._found = None
        self._show()
        for endpoint in endpoints:
            self._ask(endpoint)
        self._discover()

    @work(group="models")
    async def _ask(self, endpoint: Endpoint) -> None:
        """What one endpoint offers, or what is wrong with it."""
        offer = Offer(endpoint)
        try:
            if await self._endpoints.needs_consent(endpoint):
                offer = replace(offer, needs_consent=True)
            else:
                cards = tuple(await self._endpoints.models(endpoint))
                offer = replace(offer, cards=cards, windows=await self._endpoints.windows(endpoint, cards))
        except TuiChatError as error:
            offer = replace(offer, error=error)
        self._offers[endpoint.name] = offer
        self._show()

    @work(group="models")
    async def _discover(self) -> None:
        """Look for servers on this computer."""
        try:
            self._found = await self._endpoints.discover()
        except TuiChatError as error:
            self._found = ()
            self.said.fail(error)
        self._show()

    @work(group="favourites")
    async def _read_favourites(self) -> None:
        """Which models the person marked."""
        try:
            self._favourites = await self._endpoints.favourites()
        except TuiChatError as error:
            self.said.fail(error)
        self._show()

    # -- what is shown ----------------------------------------------------------------------

    def _show(self) -> None:
        """Draw the list anew, with the same line highlighted."""
        before = self._highlighted
        self._rows = rows(
            tuple(self._offers.values()),
            self._found,
            current=self._current,
            filter=self.filter.value,
            favourites=self._favourites,
        )
        self.choices.set_options([Pick(row.text, row.choice) for row in self._rows])
        self.choices.highlighted = self._place_of(before)
        self._show_hint()

    @property
    def _highlighted(self) -> Choice | None:
        place = self.choices.highlighted
        return self._rows[place].choice if place is not None and place < len(self._rows) else None

    def _place_of(self, before: Choice | None) -> int | None:
        """Where to stand: where the person went, else on what was just added, the current model, what answers best."""
        choices = [row.choice for row in self._rows]
        if self.filter.moved and before is not None and before in choices:
            return choices.index(before)
        if (wanted := self._offers.get(self._wanted)) is not None and not self.filter.value:
            places = (place for place, choice in enumerate(choices) if _endpoint_of(choice) == wanted.endpoint)
            return None if wanted.is_asking else next(places, None)
        ranks = [(_rank(choice, self._current), place) for place, choice in enumerate(choices)]
        rank, place = min(ranks, default=(_LAST, 0))
        # Until all have said what they have, what only leads to a model is not stood on: the next answer may be one.
        return None if rank == _LAST or (rank >= _LEADS and self._is_asking) else place

    @property
    def _is_asking(self) -> bool:
        return any(offer.is_asking for offer in self._offers.values())

    def _show_hint(self) -> None:
        if self._rows:
            self.hint.update(plain(sentence(self._highlighted)))
        else:
            self.hint.update(plain("No model has that in its name."))
        self.refresh_bindings()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what choosing this line means."""
        event.stop()
        self._show_hint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only an endpoint of the settings can be changed, and only a model be a favourite."""
        if not self.is_mounted:
            return True
        if action == "favourite":
            return isinstance(self._highlighted, Use)
        if action == "open_file":
            return self._endpoints.local is not None
        return self._editable() is not None if action == "edit" else True

    def _editable(self) -> Endpoint | None:
        choice = self._highlighted
        if (
            isinstance(choice, Use | Mend | Consent)
            and choice.endpoint not in OWN
            and not choice.endpoint.from_environment
        ):
            return choice.endpoint
        return None

    # -- what is chosen -----------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what the line says."""
        event.stop()
        match event.option.value if isinstance(event.option, Pick) else None:
            case Use(model):
                self.dismiss(model)
            case Consent(endpoint):
                self._confirm(endpoint)
            case Mend(endpoint) if endpoint.from_environment:
                self.action_reload()
            case Mend(endpoint):
                self._edit(endpoint)
            case Adopt(server):
                self._adopt(server)
            case Add():
                self.action_add()
            case OpenFile():
                self.action_open_file()

    @work(group="form")
    async def _confirm(self, endpoint: Endpoint) -> None:
        if not await self.app.push_screen_wait(_question(endpoint)):
            return
        try:
            await self._endpoints.give_consent(endpoint)
        except TuiChatError as error:
            self.said.fail(error)
            return
        self._offers[endpoint.name] = Offer(endpoint)
        self._want(endpoint.name)
        self._ask(endpoint)

    def _want(self, name: str) -> None:
        """Stand on what that endpoint has, once it is known, until the person goes elsewhere."""
        self._wanted, self.filter.moved = name, False
        self._show()

    @work(group="form")
    async def _adopt(self, server: FoundServer) -> None:
        host = host_of(Endpoint("", server.base_url))
        kind = clean_line(server.kind)
        if not await self.app.push_screen_wait(
            AskScreen(
                f"Use {kind} at {host}?",
                "It runs on this computer. On a computer that others use too, make sure that it is yours.",
            )
        ):
            return
        names = {endpoint.name for endpoint in self._endpoints.all()}
        endpoint = Endpoint(free_name(server.kind, names), server.base_url, server.dialect)
        try:
            await self._endpoints.save(endpoint)
            windows = await self._endpoints.windows(endpoint, server.models)
        except TuiChatError as error:
            self.said.fail(error)
            return
        if len(server.models) == 1:
            self.dismiss(ModelRef(endpoint.name, server.models[0].name))
            return
        self._offers[endpoint.name] = Offer(endpoint, cards=server.models, windows=windows)
        self._want(endpoint.name)

    @work(group="form")
    async def _edit(self, endpoint: Endpoint | None) -> None:
        before = {each.name for each in self._endpoints.all()}
        if await self.app.push_screen_wait(EndpointForm(self._endpoints, endpoint)):
            added = (each.name for each in self._endpoints.all() if each.name not in before)
            self._ask_all()
            self._want(endpoint.name if endpoint is not None else next(added, ""))

    # -- keys -----------------------------------------------------------------------------------

    def action_add(self) -> None:
        """Add an endpoint by hand."""
        self._edit(None)

    @work(group="form")
    async def action_open_file(self) -> None:
        """Open a model file of this computer; it is chosen once it is loaded."""
        from tui_chat.ui.screens.model_file import ModelFileScreen

        local = self._endpoints.local
        if local is None:
            return
        model = await self.app.push_screen_wait(ModelFileScreen(local))
        if model is not None:
            self.dismiss(model)

    def action_edit(self) -> None:
        """Change the endpoint of the highlighted line."""
        if (endpoint := self._editable()) is not None:
            self._edit(endpoint)

    @work(group="favourites")
    async def action_favourite(self) -> None:
        """Have the highlighted model stand first, or no longer."""
        choice = self._highlighted
        if not isinstance(choice, Use):
            return
        try:
            await self._endpoints.mark_favourite(choice.model, marked=choice.model not in self._favourites)
            self._favourites = await self._endpoints.favourites()
        except TuiChatError as error:
            self.said.fail(error)
            return
        self.filter.moved = True  # stay on this model, wherever it stands now
        self._show()

    def action_reload(self) -> None:
        """Ask every endpoint again."""
        self.said.clear()
        self._ask_all()

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


def _endpoint_of(choice: Choice | None) -> Endpoint | None:
    return choice.endpoint if isinstance(choice, Use | Mend | Consent) else None


_LEADS, _LAST = 4, 7


def _rank(choice: Choice | None, current: ModelRef | None) -> int:
    """How likely it is what the person wants: the model they have, any model, a way to one; the guide is no model."""
    match choice:
        case Use(model) if model == current and model != GUIDE_MODEL:
            return 0
        case Use(model) if model != GUIDE_MODEL:
            return 1
        case Consent():
            return 2
        case Adopt():
            return 3
        case OpenFile():
            return _LEADS
        case Use():
            return _LEADS + 1
        case None:
            return _LAST
    return _LEADS + 2


def _question(endpoint: Endpoint) -> AskScreen:
    """What is asked before an endpoint is used that did not come from the person."""
    host = host_of(endpoint)
    if endpoint.key_command:
        return AskScreen(
            f"Run a command for the key of {endpoint.name}?",
            f"The settings file says that the key is what this prints:\n\n{clean_line(endpoint.key_command)}\n\n"
            f"If you agree, it is run when {endpoint.name} is used, and the key goes to {host}. You are asked once.",
        )
    return AskScreen(f"Send to {host}?", f"{_named_by_environment(endpoint)} You are asked once.")


def _named_by_environment(endpoint: Endpoint) -> str:
    """Which variable brought it, and what goes there."""
    (variable, by_key), url = variable_of(endpoint), clean_line(endpoint.base_url)
    if by_key:
        return (
            f"{variable} is set in your environment: a key for {url}.\n"
            "If you agree, that key and what you write to its models go there."
        )
    key = f", and the key in {endpoint.key_env} where one is set" if endpoint.key_env else ""
    return f"{variable} in your environment is {url}.\nIf you agree, what you write to its models goes there{key}."
