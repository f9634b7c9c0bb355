"""The form for one model service: where it is, its key, and whether it answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui_chat.core.errors import BadInput, NotFoundAtServer, NotThisDialect, TuiChatError, Unauthorized
from tui_chat.core.ports import ModelCard
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, is_endpoint_name
from tui_chat.services.endpoints import EndpointService, Reach
from tui_chat.ui.forms import AskScreen, Card, Field, Labelled, Said, SecretField
from tui_chat.ui.screens.address_repair import repaired, with_version
from tui_chat.ui.screens.reach import host_of, whereto
from tui_chat.ui.text import clean_line, plain

_SMALLEST_WINDOW, _LARGEST_WINDOW = 256, 100_000_000
_BEFORE_SAVING = 3.0
"""Seconds that a save may wait for an address to say whether it is the right one."""

_WHERE_ONE_IS = re.compile(r" (?:in the settings )?\(f2\)")
"""What an error's hint says of the way to this form."""


class EndpointForm(ModalScreen[bool]):
    """Adds an endpoint, or changes or deletes ``endpoint``; True where something was changed."""

    BINDINGS = [
        Binding("ctrl+t", "test", "Test", id="endpoint.test", tooltip="Ask this address for its models; saves nothing"),
        Binding("ctrl+s", "save", "Save", id="endpoint.save", tooltip="Save the endpoint; its key is stored encrypted"),
        Binding("f9", "delete", "Delete", id="endpoint.delete", tooltip="Delete the endpoint and its key"),
        Binding("escape", "cancel", "Cancel", id="endpoint.cancel", tooltip="Change nothing"),
    ]

    DEFAULT_CSS = """
    EndpointForm {
        align: center middle;
        & #whereto { color: $text-muted; margin: 0 0 1 17; height: auto; }
        & #whereto.-open { color: $text-warning; }
    }
    """

    whereto = query_one("#whereto", Static)
    said = query_one(Said)

    def __init__(self, endpoints: EndpointService, endpoint: Endpoint | None = None) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._before = endpoint
        self._asked: set[str] = set()
        self._saving = False

    def compose(self) -> ComposeResult:
        before = self._before
        window = str(before.context_window) if before and before.context_window else ""
        kept = "empty keeps the stored key" if before and before.key_env is None else "none for most local servers"
        yield Card(
            f"Endpoint {before.name}" if before else "Add an endpoint",
            Labelled(
                "Name",
                Field(
                    before.name if before else "",
                    placeholder="such as openai",
                    moves_on=True,
                    id="name",
                    disabled=before is not None,
                ),
            ),
            Labelled(
                "Address",
                Field(
                    before.base_url if before else "", placeholder="https://api.example.com/v1", moves_on=True, id="url"
                ),
            ),
            Static(id="whereto", markup=False),
            Labelled("API key", SecretField(placeholder=kept, moves_on=True, id="key")),
            Labelled(
                "or its variable",
                Field((before and before.key_env) or "", placeholder="such as OPENAI_API_KEY", moves_on=True, id="env"),
            ),
            Labelled(
                "Context window",
                Field(window, placeholder="tokens; empty: what the server says", moves_on=True, id="window"),
            ),
            Said(),
        )

    def on_mount(self) -> None:
        self._field("url" if self._before else "name").focus()
        self._show_whereto()

    def _field(self, name: str) -> Field:
        return self.query_one(f"#{name}", Field)

    def _typed(self, name: str) -> str:
        return self._field(name).value.strip()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what exists can be deleted."""
        return self._before is not None if action == "delete" else True

    # -- what is typed ------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say where texts would go."""
        event.stop()
        if event.input.id == "url":
            self._show_whereto()

    def _show_whereto(self) -> None:
        endpoint = Endpoint("", repaired(self._typed("url")))
        host = host_of(endpoint)
        is_open = bool(host) and endpoint.base_url.startswith("http:") and whereto(endpoint).reach is Reach.CLOUD
        text = whereto(endpoint).sentence if host else "Where texts will go."
        if is_open:
            text = f"{text} Unencrypted: use https."
        if host and endpoint.base_url != self._typed("url"):
            text = f"Used as {endpoint.base_url}\n{text}"
        self.whereto.update(plain(text))
        self.whereto.set_class(is_open, "-open")

    def _endpoint(self) -> Endpoint:
        """What is typed, as a value, its address repaired. Raises BadInput."""
        name, url, variable = self._typed("name"), repaired(self._typed("url")), self._typed("env")
        if not is_endpoint_name(name):
            raise BadInput(
                "This name cannot be used.", hint="Use small letters, digits, dots and dashes; “guide” is taken."
            )
        if self._before is None and any(each.name == name for each in self._endpoints.all()):
            raise BadInput(f"There is an endpoint {name!r} already.", hint="Choose another name.")
        if not url:
            raise BadInput("The address is missing.", hint="It looks like http://127.0.0.1:8080/v1.")
        if variable and self._field("key").value:
            raise BadInput("A key and a variable are given.", hint="Keep one of them.")
        before = self._before or Endpoint(name, url)
        return replace(before, base_url=url, key_env=variable or None, context_window=self._window())

    def _window(self) -> int | None:
        text = self._typed("window").replace(",", "").replace("_", "")
        if not text:
            return None
        if not text.isdecimal() or not _SMALLEST_WINDOW <= int(text) <= _LARGEST_WINDOW:
            raise BadInput("The context window is a number of tokens.", hint="256 or more, or empty.")
        return int(text)

    # -- what is done ---------------------------------------------------------------------

    @work(group="endpoint", exclusive=True)  # a new test makes the one before worthless
    async def action_test(self) -> None:
        """Ask the address for its models."""
        try:
            endpoint = self._endpoint()
            self.said.say(f"Asking {host_of(endpoint)}…")
            meant = await self._meant(endpoint)
            self._put_address(meant, instead_of=endpoint)
            cards = await self._endpoints.test(meant, self._key())
        except TuiChatError as error:
            self._fail(error)
        else:
            self.said.good(answered(cards))

    @work(group="save")
    async def action_save(self) -> None:
        """Save what is typed; where only the address with ``/v1`` answers, offer that first."""
        if self._saving:
            return
        self._saving = True
        try:
            endpoint = self._endpoint()
            self.said.say("Saving…")
            meant = await self._meant_at_once(endpoint)
            if meant != endpoint:
                self._put_address(meant, instead_of=endpoint)
                self.said.say(f"Nothing answers at {endpoint.base_url}, but {meant.base_url} does: ctrl+s saves that.")
                return
            await self._endpoints.save(endpoint, self._key())
        except TuiChatError as error:
            self._fail(error)
        else:
            self._leave(changed=True)
        finally:
            self._saving = False

    @work(group="save")
    async def action_delete(self) -> None:
        """Delete it, after a question: its key is erased."""
        before = self._before
        if before is None or not await self.app.push_screen_wait(
            AskScreen(f"Delete the endpoint {before.name}?", "Its stored key is erased. Your conversations stay.")
        ):
            return
        try:
            await self._endpoints.remove(before.name)
        except TuiChatError as error:
            self._fail(error)
        else:
            self._leave(changed=True)

    def action_cancel(self) -> None:
        """Change nothing."""
        self._leave(changed=False)

    # -- the address that was meant -----------------------------------------------------------

    async def _meant(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with ``/v1`` behind its address where only that is a model service. Raises ProviderError."""
        better = with_version(endpoint.base_url)
        if better is None or not await self._is_elsewhere(endpoint):
            return endpoint
        meant = replace(endpoint, base_url=better)
        return endpoint if await self._is_elsewhere(meant) else meant

    async def _meant_at_once(self, endpoint: Endpoint) -> Endpoint:
        """The same before saving: asked once for each address, not for long, and what fails is saved as it is."""
        if endpoint.base_url in self._asked:
            return endpoint
        self._asked.add(endpoint.base_url)
        try:
            async with asyncio.timeout(_BEFORE_SAVING):
                return await self._meant(endpoint)
        except (TuiChatError, TimeoutError):
            return endpoint

    async def _is_elsewhere(self, endpoint: Endpoint) -> bool:
        """Whether the server knows no model service at this address. Raises ProviderError where it does not say."""
        try:
            await self._endpoints.test(endpoint, self._key())
        except (NotFoundAtServer, NotThisDialect):
            return True
        except Unauthorized:
            return False
        return False

    def _put_address(self, meant: Endpoint, *, instead_of: Endpoint) -> None:
        """Show the address that is used, unless another one was typed meanwhile."""
        if repaired(self._typed("url")) == instead_of.base_url:
            field = self._field("url")
            field.value = meant.base_url
            field.cursor_position = len(field.value)

    def _fail(self, error: TuiChatError) -> None:
        """Say it without the way to this form in its hint."""
        self.said.fail(TuiChatError(str(error), hint=_WHERE_ONE_IS.sub("", error.hint)))

    def _key(self) -> Secret | None:
        field = self.query_one("#key", SecretField)
        return field.secret if field.value.strip() else None

    def _leave(self, *, changed: bool) -> None:
        self._field("key").value = ""
        self.dismiss(changed)


def answered(cards: Sequence[ModelCard]) -> str:
    """What a test that went well says."""
    if not cards:
        return "It answers, but names no models: type a model's name in the list of models."
    names = ", ".join(clean_line(card.name) for card in cards[:3])
    more = f" and {len(cards) - 3:,} more" if len(cards) > 3 else ""
    return f"It answers and offers {names}{more}."
