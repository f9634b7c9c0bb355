"""The form for one model service: where it is, its key, and whether it answers."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Input, Static

from tui_chat.core.address import is_address
from tui_chat.core.errors import BadInput, TuiChatError, Unauthorized
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, command_words, is_endpoint_name
from tui_chat.services.endpoints import EndpointService, Reach
from tui_chat.services.meant import Tried, guessed_dialect
from tui_chat.ui.forms import AskScreen, Card, Field, Labelled, Said, SecretField
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.address_repair import fit_name, name_after, repaired
from tui_chat.ui.screens.dialect_field import LABELS, DialectField
from tui_chat.ui.screens.reach import host_of, whereto
from tui_chat.ui.text import clean_line, plain

_SMALLEST_WINDOW, _LARGEST_WINDOW = 256, 100_000_000
_BEFORE_SAVING = 3.0
"""Seconds that a save may wait for an address to say whether it is the right one."""

_UNNAMED = "empty: after the address"
_NO_KEY, _KEPT = "none for most local servers", "empty keeps the stored key"
_KEY_SOURCES = ("key", "env", "command")

_WHERE_ONE_IS = re.compile(r" (?:in the settings )?\(f2\)")
"""What an error's hint says of the way to this form."""


class EndpointForm(Modal[bool]):
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
        & #whereto.-warns { color: $text-warning; }
    }
    """

    dialect = query_one(DialectField)
    whereto = query_one("#whereto", Static)
    said = query_one(Said)

    def __init__(self, endpoints: EndpointService, endpoint: Endpoint | None = None) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._before = endpoint
        self._has_key = False
        self._asked: set[tuple[str, str]] = set()
        self._saving = False

    def compose(self) -> ComposeResult:
        before = self._before
        window = str(before.context_window) if before and before.context_window else ""
        yield Card(
            f"Endpoint {before.name}" if before else "Add an endpoint",
            self._line("Name", "name", before.name if before else "", _UNNAMED, disabled=before is not None),
            self._line("Address", "url", before.base_url if before else "", "https://api.example.com/v1"),
            Static(id="whereto", markup=False),
            Labelled("API key", SecretField(placeholder=_NO_KEY, moves_on=True, id="key")),
            self._line("or its variable", "env", (before and before.key_env) or "", "such as OPENAI_API_KEY"),
            self._line("or a command", "command", (before and before.key_command) or "", "such as pass show openai"),
            Labelled(
                "Protocol",
                DialectField(
                    before.dialect if before else guessed_dialect(""), by_hand=before is not None, id="dialect"
                ),
            ),
            self._line("Context window", "window", window, "tokens; empty: what the server says"),
            Said(),
        )

    @staticmethod
    def _line(label: str, id: str, value: str, placeholder: str, *, disabled: bool = False) -> Labelled:
        return Labelled(label, Field(value, placeholder=placeholder, moves_on=True, id=id, disabled=disabled))

    def on_mount(self) -> None:
        self._field("url" if self._before else "name").focus()
        self._show_whereto()
        self._look_for_key()

    @work(group="key")
    async def _look_for_key(self) -> None:
        """Find out whether there is a stored key that another address would lose."""
        with suppress(TuiChatError):  # not knowing costs a warning; what fails here fails again at saving
            self._has_key = self._before is not None and await self._endpoints.has_stored_key(self._before)
            self._field("key").placeholder = _KEPT if self._has_key else _NO_KEY
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
        """Say where texts would go, and take the protocol that the address suggests."""
        event.stop()
        if event.input.id == "url" and not self.dialect.by_hand:
            self.dialect.put(guessed_dialect(repaired(self._typed("url"))))
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
        loses = self._loses_key(endpoint.base_url)
        if loses:
            text = f"{text}\nThe stored key belongs to the address before: enter the key again."
        self.whereto.update(plain(text))
        self.whereto.set_class(is_open or loses, "-warns")

    def _loses_key(self, base_url: str) -> bool:
        """Whether saving erases a stored key that nothing replaces."""
        before = self._before
        replaced = any(self._typed(name) for name in _KEY_SOURCES)
        return self._has_key and before is not None and base_url != before.base_url and not replaced

    def _endpoint(self) -> Endpoint:
        """What is typed, as a value, its address repaired. Raises BadInput."""
        url = repaired(self._typed("url"))
        if not url:
            raise BadInput("The address is missing.", hint="It looks like http://127.0.0.1:8080/v1.")
        name = self._named(url)
        if not is_endpoint_name(name):
            raise BadInput(
                "This name cannot be used.", hint="Use small letters, digits, dots and dashes; “guide” is taken."
            )
        if self._before is None and any(each.name == name for each in self._endpoints.all()):
            raise BadInput(f"There is an endpoint {name!r} already.", hint="Choose another name.")
        if sum(bool(self._typed(source)) for source in _KEY_SOURCES) > 1:
            raise BadInput("The key is given twice.", hint="Keep one of them: the key, its variable or a command.")
        variable, command = self._typed("env"), self._typed("command")
        if command and not command_words(command):
            raise BadInput("The command cannot be read.", hint="It is one line without a shell; close its quotes.")
        return replace(
            self._before or Endpoint(name, url),
            base_url=url,
            dialect=self.dialect.dialect,
            key_env=variable or None,
            key_command=command or None,
            context_window=self._window(),
        )

    def _named(self, url: str) -> str:
        """The name as it may be, and is shown from now on; after the address where none is typed."""
        if self._before is not None:
            return self._before.name
        typed = self._typed("name")
        taken = {each.name for each in self._endpoints.all()}
        name = fit_name(typed) if typed or not is_address(url) else name_after(url, taken)
        if name != typed and is_endpoint_name(name):
            self._field("name").value = name
        return name

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
            tried = await self._endpoints.test(endpoint, self._key())
            self._put(tried.endpoint, instead_of=endpoint)
            if tried.refusal is not None:
                raise tried.refusal
        except Unauthorized as error:
            self._fail(TuiChatError(str(error), hint=f"{error.hint}{self._unset(endpoint)}"))
        except TuiChatError as error:
            self._fail(error)
        else:
            said = answered(tried, asked=endpoint, chosen=self._endpoints.chosen(endpoint))
            self.said.good(said + self._unset(endpoint))
            self._show_said()

    def _unset(self, endpoint: Endpoint) -> str:
        """What is wrong with the variable of its key, if it is empty here."""
        if not (variable := clean_line(self._endpoints.unset(endpoint))):
            return ""
        return f" The variable {variable} is not set where tui-chat was started: asked without a key."

    @work(group="save")
    async def action_save(self) -> None:
        """Save what is typed; where something else answers at that address, offer that first."""
        if self._saving:
            return
        self._saving = True
        try:
            endpoint = self._endpoint()
            self.said.say("Saving…")
            meant = await self._meant_at_once(endpoint)
            if meant != endpoint:
                self._put(meant, instead_of=endpoint)
                self.said.say(f"{_instead(meant, endpoint)}: ctrl+s saves that.")
                self._show_said()
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
        key = "Its stored key is erased. " if self._has_key else ""
        if before is None or not await self.app.push_screen_wait(
            AskScreen(f"Delete the endpoint {before.name}?", f"{key}Your conversations stay.")
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

    # -- what was meant -----------------------------------------------------------------------

    async def _meant_at_once(self, endpoint: Endpoint) -> Endpoint:
        """What answers there, before saving: asked once for each address, not for long; what fails is saved as it is.

        Not asked where that would run a command: saving runs none.
        """
        place = endpoint.base_url, endpoint.dialect
        if place in self._asked or endpoint.key_command:
            return endpoint
        self._asked.add(place)
        try:
            async with asyncio.timeout(_BEFORE_SAVING):
                return (await self._endpoints.test(endpoint, self._key())).endpoint
        except (TuiChatError, TimeoutError):
            return endpoint

    def _put(self, meant: Endpoint, *, instead_of: Endpoint) -> None:
        """Show the address and the protocol that are used, unless others were typed meanwhile."""
        if self.dialect.dialect == instead_of.dialect != meant.dialect:
            self.dialect.put(meant.dialect)
            self.dialect.by_hand = True  # what answers counts more than what an address suggests
        if repaired(self._typed("url")) == instead_of.base_url:
            field = self._field("url")
            field.value = meant.base_url
            field.cursor_position = len(field.value)

    def _fail(self, error: TuiChatError) -> None:
        """Say it without the way to this form in its hint."""
        self.said.fail(TuiChatError(str(error), hint=_WHERE_ONE_IS.sub("", error.hint)))
        self._show_said()

    def _show_said(self) -> None:
        """Scroll to what was said, where the screen is too low for all of the form."""
        self.call_after_refresh(self.said.scroll_visible, animate=False)

    def _key(self) -> Secret | None:
        field = self.query_one("#key", SecretField)
        return field.secret if field.value.strip() else None

    def _leave(self, *, changed: bool) -> None:
        self._field("key").value = ""
        self.dismiss(changed)


def answered(tried: Tried, *, asked: Endpoint, chosen: str) -> str:
    """What a test that went well says; ``chosen`` is the model of it that is wanted, if one is."""
    said = f"{_instead(tried.endpoint, asked)}. " if tried.endpoint.dialect != asked.dialect else ""
    names = [card.name for card in tried.cards]
    if not names and tried.endpoint.dialect == "ollama":
        return f"{said}It answers, but has no model yet: fetch one with ollama pull and the model's name."
    if not names:
        return f"{said}It answers, but names no models: type a model's name in the list of models."
    first = ", ".join(map(clean_line, names[:3]))
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    lacks = chosen and not {chosen, f"{chosen}:latest"} & set(names)
    missing = (
        f" It has no model named “{clean_line(chosen)}”, which you chose: choose another (ctrl+o)." if lacks else ""
    )
    return f"{said}It answers and offers {first}{more}.{missing}"


def _instead(meant: Endpoint, asked: Endpoint) -> str:
    """What answers in place of what was asked for."""
    if meant.dialect == asked.dialect:
        return f"Nothing answers at {asked.base_url}, but {meant.base_url} does"
    there = "" if meant.base_url == asked.base_url else f" at {meant.base_url}"
    return f"The protocol there is {LABELS[meant.dialect]}{there}, not {LABELS[asked.dialect]}"
