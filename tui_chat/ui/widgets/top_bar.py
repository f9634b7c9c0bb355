"""The top line: whose history this is, and where a prompt would go."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui_chat.core.clean import clean_line

_MARKS = {"built-in": "◇", "local": "●", "LAN": "◐", "cloud": "○"}


class TopBar(Widget):
    """``tui-chat  alice          ● local  llama3.2 · 127.0.0.1:11434``; the place is always visible."""

    DEFAULT_CSS = """
    TopBar { height: 1; padding: 0 1; background: $panel; color: $foreground; dock: top; }
    """

    user: reactive[str] = reactive("")
    reach: reactive[str] = reactive("")
    """``built-in``, ``local``, ``LAN`` or ``cloud``; empty while the history is locked."""
    model: reactive[str] = reactive("")
    host: reactive[str] = reactive("")

    def render(self) -> Content:
        """Name and user on the left, the destination on the right; the destination has precedence."""
        width = self.content_size.width
        place = self._place(width)
        left = f"tui-chat  {clean_line(self.user)}" if self.user not in ("", "default") else "tui-chat"
        room = max(0, width - place.cell_length - 2)
        shown = left if cell_len(left) <= room else set_cell_size(left, room)
        gap = " " * max(1, width - cell_len(shown) - place.cell_length)
        return Content.assemble(Content(shown).stylize("bold"), gap, place)

    def _place(self, width: int) -> Content:
        if not self.reach:
            return Content("locked").stylize("bold $text-warning")
        style = "bold $text-warning" if self.reach == "cloud" else "bold $text-success"
        badge = Content(f"{_MARKS.get(self.reach, '○')} {self.reach}").stylize(style)
        model, host = clean_line(self.model)[:60], clean_line(self.host)
        text = f"  {model} · {host}" if host and len(model) + len(host) + 20 < width else f"  {model}"
        return Content.assemble(badge, Content(text[: max(8, width - 14)]))
