"""Inline Markdown as runs of styled text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.style import Style

from tui_chat.core.clean import clean, clean_line
from tui_chat.ui.markdown.inks import BOLD, ITALIC, STRIKE, UNDERLINE, Inks
from tui_chat.ui.markdown.lines import Run

if TYPE_CHECKING:
    from markdown_it.token import Token

SCHEMES = ("http", "https", "mailto")
"""Addresses that can be clicked; everything else is only shown."""

_MODES = {"em_open": ITALIC, "strong_open": BOLD, "s_open": STRIKE}
_SHOWN_TARGET = 60


def inline(token: Token, inks: Inks, base: Style) -> list[Run]:
    """The runs of an ``inline`` token, in ``base`` where nothing else is said.

    Contents are cleaned once more: the parser resolves entities, ``&#8238;`` among them.
    """
    runs: list[Run] = []
    styles = [base]
    links: list[tuple[str, int]] = []
    for child in token.children or ():
        style, content = styles[-1], clean(child.content)
        match child.type:
            case "text" | "html_inline" | "text_special":
                if content:
                    runs.append((content, style))
            case "softbreak" | "hardbreak":
                runs.append(("\n", style))
            case "code_inline":
                runs.append((content, style + inks.code))
            case "image":
                runs.append((f"[image: {content}]" if content else "[image]", style + ITALIC))
            case "link_open":
                href = clean_line(str(child.attrs.get("href", "")))
                links.append((href, len(runs)))
                styles.append(style + _link_style(href))
            case "link_close":
                styles.pop()
                href, first = links.pop()
                text = "".join([part for part, _ in runs[first:]])
                if target := _unseen_target(href, text):
                    runs.append((f" ({target})", styles[-1] + inks.dim))
            case kind if kind in _MODES:
                styles.append(style + _MODES[kind])
            case kind if kind.endswith("_close") and len(styles) > 1:
                styles.pop()
            case _ if content:
                runs.append((content, style))
    return runs


def _link_style(href: str) -> Style:
    if _scheme_and_host(href)[0] not in SCHEMES:
        return UNDERLINE
    return UNDERLINE + Style.from_meta({"href": href})


def _unseen_target(href: str, text: str) -> str:
    """Where a link leads, as far as its text does not say so: the host, or a short form of the whole."""
    scheme, host = _scheme_and_host(href)
    target = host if scheme in ("http", "https") else href.removeprefix("mailto:")
    if not target or target.removeprefix("www.") in text:
        return ""
    return target if len(target) <= _SHOWN_TARGET else target[: _SHOWN_TARGET - 1] + "…"


def _scheme_and_host(href: str) -> tuple[str, str]:
    """Both empty where the address makes no sense."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return "", ""
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2]
