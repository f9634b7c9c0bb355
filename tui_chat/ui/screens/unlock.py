"""The way into a history that the keyring did not open by itself: passphrase, recovery code, or the keyring again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Input, Static

from tui_chat.core.errors import (
    BadInput,
    DamagedHistory,
    KeyringLocked,
    KeyringUnavailable,
    LockedError,
    NewerSchema,
    PassphraseNeeded,
    TuiChatError,
)
from tui_chat.core.secret import Secret
from tui_chat.services.program import Access, Services
from tui_chat.ui.forms import Card, Said, SecretField
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.passphrase import short_remark
from tui_chat.ui.text import clean_line, plain
from tui_chat.ui.widgets.ordered_keys import own_bindings, run_binding_in_order

RECOVERY_CHARACTERS = 56
"""32 bytes and 3 of checksum in base32."""

_IN_A_CODE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_LOOKALIKES = {"0": "O", "1": "I or L", "8": "B"}


Way = Callable[[Secret], Awaitable[Services]]
"""How a history is opened with what was typed."""


class Step(StrEnum):
    """What the screen asks for."""

    LOOKING = "looking"
    CREATE = "create"
    CREATE_AGAIN = "create_again"
    PASSPHRASE = "passphrase"
    RECOVERY = "recovery"
    NEW = "new"
    NEW_AGAIN = "new_again"
    KEYRING = "keyring"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of a step."""

    title: str
    text: str
    label: str = ""


_WORDS = {
    Step.LOOKING: Words("Your history", "Looking for its key…"),
    Step.CREATE: Words(
        "Protect your history",
        "Your chats are stored encrypted, on this computer only.\n"
        "A passphrase opens them; nobody can read or reset it for you.\n"
        "If you lose it and the recovery code too, your history is lost.",
        "Choose a passphrase",
    ),
    Step.CREATE_AGAIN: Words(
        "Protect your history", "Once more, so that a slip of the finger locks nobody out.", "The same again"
    ),
    Step.PASSPHRASE: Words("Unlock your history", "", "Passphrase"),
    Step.RECOVERY: Words(
        "Unlock with the recovery code",
        "8 groups of 7 letters and digits. Case, spaces and dashes do not matter.",
        "Recovery code",
    ),
    Step.NEW: Words(
        "Your history is open",
        "The recovery code opened it, and stays valid.\n"
        "Choose a new passphrase, so that you do not need the code each time.",
        "New passphrase",
    ),
    Step.NEW_AGAIN: Words(
        "Your history is open", "Once more, so that a slip of the finger locks nobody out.", "The same again"
    ),
    Step.KEYRING: Words("Unlock your history", "Its key is in this computer's keyring; ctrl+r asks for it."),
    Step.REFUSED: Words("This history stays closed", "Nothing was changed."),
}

_AGAIN = {Step.CREATE: Step.CREATE_AGAIN, Step.NEW: Step.NEW_AGAIN}
_FIRST = {again: first for first, again in _AGAIN.items()}


class Answer(SecretField):
    """What is typed behind a key that asks for something else is the answer to that."""

    async def _on_key(self, event: events.Key) -> None:
        await run_binding_in_order(self, event)


class UnlockScreen(Modal[Services]):
    """Asks until the history is open, and dismisses with its services.

    ``problem`` is why the keyring did not open it, where it was asked.
    """

    BINDINGS = [
        Binding(
            "ctrl+r,enter", "keyring", "Keyring", id="unlock.keyring", tooltip="Ask this computer's keyring (again)"
        ),
        Binding("ctrl+t", "recovery", "Recovery code", id="unlock.recovery", tooltip="Use the recovery code instead"),
        Binding("escape", "back", "Back", id="unlock.back", tooltip="One step back"),
        Binding(
            "ctrl+q", "app.quit", "Quit", id="unlock.quit", tooltip="Leave; the history stays as it is", priority=True
        ),
    ]

    AUTO_FOCUS = ""
    CSS_PATH = "unlock.tcss"

    card = query_one(Card)
    text = query_one("#text", Static)
    label = query_one("#label", Static)
    field = query_one(SecretField)
    note = query_one("#note", Static)
    said = query_one(Said)

    def __init__(self, access: Access, user: str, problem: LockedError | None = None) -> None:
        super().__init__()
        self._access = access
        self._user = user
        self._problem = problem
        self._step = Step.LOOKING
        self._home = Step.LOOKING
        self._slots: frozenset[str] = frozenset()
        self._keyring: str | None = None
        self._exists = True
        self._first = Secret("")
        self._early: list[events.Key] = []
        self._services: Services | None = None
        self._unlocking = False
        self._asking_keyring = False
        self._done = False

    def compose(self) -> ComposeResult:
        yield Card(
            "Your history",
            Static(id="text", markup=False),
            Static(id="label", markup=False),
            Answer(),
            Static(id="note", markup=False),
            Said(),
        )

    def on_mount(self) -> None:
        self._show(Step.LOOKING)
        self._look()

    def on_unmount(self) -> None:
        self._first = Secret("")
        self._early.clear()

    # -- where to begin -------------------------------------------------------------------

    @work(group="look")
    async def _look(self) -> None:
        """Find out what can open this history, and ask for that."""
        try:
            self._exists = await self._access.exists()
            self._slots = frozenset(await self._access.slots())
            self._keyring = await self._access.keyring()
        except TuiChatError as error:
            self._refuse(error)
            return
        if isinstance(self._problem, NewerSchema | DamagedHistory):
            self._refuse(self._problem)
            return
        self._home = self._beginning()
        self._show(self._home)
        if self._home is Step.PASSPHRASE:  # anything else has to be read before it is answered
            for key in self._early:
                self.field.post_message(key)
        self._early.clear()
        if isinstance(self._problem, KeyringUnavailable):
            self.said.say(self._problem.sentence)  # a fact about this computer, not a failure
        elif self._problem is not None and not isinstance(self._problem, PassphraseNeeded):
            self.said.fail(self._problem)

    def _beginning(self) -> Step:
        if not self._exists:
            return Step.CREATE
        if "passphrase" in self._slots:
            return Step.PASSPHRASE
        may_answer = "keyring" in self._slots and (self._problem is None or isinstance(self._problem, KeyringLocked))
        return Step.KEYRING if may_answer or "recovery" not in self._slots else Step.RECOVERY

    def _refuse(self, error: TuiChatError) -> None:
        """No key helps here: say why."""
        self._home = Step.REFUSED
        self._show(Step.REFUSED)
        self.said.fail(error)

    # -- what is shown ----------------------------------------------------------------------

    def _show(self, step: Step) -> None:
        """Ask for what this step needs, in an empty field."""
        words = _WORDS[step]
        self._step = step
        self.card.title = words.title if self._user == "default" else f"{words.title} · {self._user}"
        text = f"{words.text}\n{self._other_ways()}" if step is Step.NEW else words.text
        self.text.update(plain(text))
        self.text.display = bool(text)
        self.label.update(plain(words.label))
        self.field.value = ""
        self.field.password = step is not Step.RECOVERY
        self.field.empties = step in _AGAIN
        self.said.clear()
        self._note("")
        asks = bool(words.label)
        self.label.display = self.field.display = asks
        self.field.disabled = not asks
        self.set_focus(self.field if asks else None)
        self.refresh_bindings()

    def _other_ways(self) -> str:
        if self._keyring is None:
            return "esc goes on without one."
        return f"ctrl+r keeps the key in {clean_line(self._keyring)} instead; esc does neither."

    def _note(self, text: str) -> None:
        self.note.update(plain(text))
        self.note.display = bool(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the ways that exist are offered."""
        match action:
            case "keyring":
                return self._may_ask_keyring()
            case "recovery":
                return self._exists and "recovery" in self._slots and self._step in (Step.PASSPHRASE, Step.KEYRING)
            case "back":
                return self._step not in (self._home, Step.LOOKING, Step.REFUSED)
        return True

    def _may_ask_keyring(self) -> bool:
        if self._step in (Step.LOOKING, Step.REFUSED, Step.CREATE_AGAIN, Step.NEW_AGAIN):
            return False
        if self._step is Step.NEW or not self._exists:
            return self._keyring is not None
        return "keyring" in self._slots

    def on_input_changed(self, event: Input.Changed) -> None:
        """Remarks while typing: on a short passphrase, on what cannot be in a recovery code."""
        event.stop()
        if self._step is Step.RECOVERY:
            self._note(recovery_remark(event.value))
        elif self._step in _AGAIN:
            self._note(short_remark(event.value))

    # -- what is typed ------------------------------------------------------------------------

    def on_secret_field_entered(self, event: SecretField.Entered) -> None:
        """Take the passphrase or the code."""
        event.stop()
        if self._unlocking or self._done:
            return
        if not event.secret:
            self.said.fail(BadInput("It is empty.", hint="Type something first."))
            return
        match self._step:
            case Step.PASSPHRASE:
                self._open(self._access.open_with_passphrase, event.secret)
            case Step.RECOVERY:
                self._open(self._access.open_with_recovery, event.secret, recovered=True)
            case Step.CREATE | Step.NEW:
                self._first = event.secret
                typed_since = self.field.secret
                self._show(_AGAIN[self._step])
                self.field.put(typed_since)
                self.field.cursor_position = len(self.field.value)
            case Step.CREATE_AGAIN | Step.NEW_AGAIN if event.secret != self._first:
                self._show(_FIRST[self._step])
                self.said.fail(BadInput("The two are not the same.", hint="Choose the passphrase once more."))
            case Step.CREATE_AGAIN:
                self._open(self._access.create_with_passphrase, event.secret)
            case Step.NEW_AGAIN:
                self._unlocking = True
                self._set_passphrase(event.secret)

    def _open(self, way: Way, secret: Secret, *, recovered: bool = False) -> None:
        # Set here, not in the worker: a second enter may come before the worker runs.
        self._unlocking = True
        self.said.say("Unlocking…")
        self._try(way, secret, recovered=recovered)

    @work(group="open")
    async def _try(self, way: Way, secret: Secret, *, recovered: bool) -> None:
        try:
            services = await way(secret)
        except (NewerSchema, DamagedHistory) as error:
            self._refuse(error)
        except TuiChatError as error:
            self.said.fail(error)
            if self.field.secret in (secret, Secret("")):
                self.field.put(secret)
        else:
            await self._opened(services, recovered=recovered)
        finally:
            self._unlocking = False

    async def _opened(self, services: Services, *, recovered: bool = False) -> None:
        """Hand the open history over; after a recovery first ask for a way in for the next time."""
        if self._done or self._services is not None:
            await services.close()  # two ways were tried at once, the other was first
            return
        if not recovered:
            self._finish(services)
            return
        self._services = services
        self._show(Step.NEW)

    def _finish(self, services: Services) -> None:
        self._done = True
        self._services = None
        self._first = Secret("")
        self.field.value = ""
        self.dismiss(services)

    @work(group="open")
    async def _set_passphrase(self, passphrase: Secret) -> None:
        services = self._services
        assert services is not None
        await self._then_finish(services, lambda: services.keys.set_passphrase(passphrase), "Setting the passphrase…")

    async def _then_finish(self, services: Services, change: Callable[[], Awaitable[None]], going_on: str) -> None:
        """Make one change to the keys of the open history, then hand it over."""
        self._unlocking = True
        self.said.say(going_on)
        try:
            await change()
        except TuiChatError as error:
            self.said.fail(error)
        else:
            self._finish(services)
        finally:
            self._unlocking = False

    async def _on_key(self, event: events.Key) -> None:
        """A key comes here where no field was shown when it was typed; it belongs to the one that is shown now."""
        focused = self.focused
        if self._step is Step.LOOKING:
            self._early.append(events.Key(event.key, event.character))
        elif focused is None:
            await run_binding_in_order(self, event)
        elif event.is_printable or event.key in own_bindings(focused):  # a field lets none of these pass
            event.stop()
            event.prevent_default()
            focused.post_message(events.Key(event.key, event.character))

    async def _on_paste(self, event: events.Paste) -> None:
        """The same for what is pasted."""
        if self.focused is not None:  # a field lets none pass
            event.stop()
            self.focused.post_message(events.Paste(event.text))

    # -- keys -----------------------------------------------------------------------------------

    def action_keyring(self) -> None:
        """Ask the keyring; typing goes on meanwhile."""
        if not self._asking_keyring:
            self._asking_keyring = True
            self._ask_keyring()

    @work(group="keyring")
    async def _ask_keyring(self) -> None:
        self.said.say("Waiting for the keyring…")
        try:
            if self._services is not None:
                services = self._services
                await self._then_finish(services, services.keys.add_keyring, "Waiting for the keyring…")
            elif self._exists:
                await self._opened(await self._access.open_with_keyring())
            else:
                await self._opened(await self._access.create_with_keyring())
        except (NewerSchema, DamagedHistory) as error:
            self._refuse(error)
        except TuiChatError as error:
            self.said.fail(error)
        finally:
            self._asking_keyring = False

    def action_recovery(self) -> None:
        """Ask for the recovery code instead."""
        self._show(Step.RECOVERY)

    def action_back(self) -> None:
        """One step back; with the history already open: go on as it is."""
        if self._services is not None and self._step is Step.NEW:
            self._finish(self._services)
        elif not self._unlocking:
            self._show(_FIRST.get(self._step, self._home))


def recovery_remark(typed: str) -> str:
    """What can be said about a recovery code while it is typed; never quotes more than one character of it."""
    digits = [character.upper() for character in typed if not character.isspace() and character != "-"]
    for place, character in enumerate(digits, start=1):
        if character not in _IN_A_CODE:
            meant = _LOOKALIKES.get(character)
            end = f"; perhaps it is {meant}" if meant else ""
            return f"Character {place} ({clean_line(character)}) does not occur in a code{end}."
    if len(digits) > RECOVERY_CHARACTERS:
        return f"{len(digits) - RECOVERY_CHARACTERS} characters too many."
    if not digits:
        return ""
    return (
        f"{len(digits)} of {RECOVERY_CHARACTERS} characters."
        if len(digits) < RECOVERY_CHARACTERS
        else "Complete. Press enter."
    )
