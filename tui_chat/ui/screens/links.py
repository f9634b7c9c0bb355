"""Shows where a link really goes before it is opened."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from tui_chat.ui.forms import Card
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import clean, clean_line, plain

OPENABLE = ("http", "https", "mailto")
"""Schemes that are opened; any other may start a program on this computer."""

_SPOKEN_HOST = re.compile(r"(?:https?://|www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?:[/?#:].*)?", re.IGNORECASE)


class LinkScreen(Modal[Literal["copy", "open"] | None]):
    """The full address of a link; dismisses with what to do with it."""

    BINDINGS = [
        Binding("o,enter", "open", "Open", id="link.open", tooltip="Open this address in the browser"),
        Binding("c", "copy", "Copy", id="link.copy", tooltip="Copy this address"),
        Binding("escape", "cancel", "Back", id="link.cancel", tooltip="Do nothing"),
    ]

    DEFAULT_CSS = """
    LinkScreen {
        align: center middle;
        & #href { text-style: bold; margin: 1 0; }
        & #remarks { color: $text-warning; }
        & #text { color: $text-muted; }
    }
    """

    def __init__(self, href: str, text: str) -> None:
        super().__init__()
        self._href = href
        self._text = text

    def compose(self) -> ComposeResult:
        found = remarks(self._href, self._text)
        yield Card(
            "Where this link goes",
            Static(plain(clean_line(self._text)), id="text", markup=False),
            Static(plain(clean(self._href)), id="href", markup=False),
            Static(plain("\n".join(f"! {remark}" for remark in found)), id="remarks", markup=False),
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Opening is offered for web and mail addresses only."""
        return is_openable(self._href) if action == "open" else True

    def action_open(self) -> None:
        """Open it."""
        self.dismiss("open")

    def action_copy(self) -> None:
        """Copy it."""
        self.dismiss("copy")

    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(None)


def is_openable(href: str) -> bool:
    """Whether the address may be opened: a web or mail address without anything invisible in it."""
    scheme, _, rest = href.partition(":")
    return scheme.lower() in OPENABLE and bool(rest) and clean_line(href) == href


def remarks(href: str, text: str) -> list[str]:
    """What a careful reader would want to know of this address."""
    found = []
    try:
        parts = urlsplit(href)
        host = parts.hostname or ""
    except ValueError:
        return ["This is not a valid address."]
    if clean_line(href) != href:
        found.append("The address holds invisible characters; it cannot be opened.")
    elif not is_openable(href):
        found.append("Only http, https and mailto addresses are opened; this one can be copied.")
    if not host.isascii():
        found.append(f"The host has letters that may look like others; its plain form is {_punycode(host)}.")
    elif any(label.startswith("xn--") for label in host.split(".")):
        found.append("The host is written in punycode: it may be shown elsewhere as letters that look like others.")
    if parts.username is not None:
        found.append(f"What stands before the @ is not the host. The host is {clean_line(host)}.")
    spoken = _SPOKEN_HOST.fullmatch(text.strip())
    if spoken and host and spoken[1].lower() != host.removeprefix("www.") and spoken[1].lower() != host:
        found.append(f"The text names {clean_line(spoken[1])}, but the link goes to {clean_line(host)}.")
    return found


def _punycode(host: str) -> str:
    labels = []
    for label in host.split("."):
        try:
            labels.append(label if label.isascii() else "xn--" + label.encode("punycode").decode())
        except UnicodeError:
            labels.append("(invalid)")
    return ".".join(labels)
