"""A window on top of the others, which closes once."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType


class Modal(ModalScreen[ScreenResultType]):
    """Keys that were pressed behind the one that closed it close nothing else.

    Textual takes whatever is on top away, so that a second enter in one burst would end the screen below.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close it with this result, unless it is closed."""
        if self not in self.app.screen_stack:
            return AwaitComplete()
        return super().dismiss(result)
