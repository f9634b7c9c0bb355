"""What a person sees of a running app, as text."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.strip import Strip
from textual.widget import Widget


def strips_of(widget: Widget) -> list[Strip]:
    """The lines of one widget as they are on the screen."""
    # The compositor is what the driver writes from; it has no public face.
    strips = widget.screen._compositor.render_strips()
    region = widget.region
    return [strip.crop(region.x, region.right) for strip in strips[region.y : region.bottom]]


def lines_of(widget: Widget) -> list[str]:
    """The lines of one widget, without the spaces at their ends."""
    return [strip.text.rstrip() for strip in strips_of(widget)]


def seen(app: App[Any]) -> str:
    """The whole screen."""
    return "\n".join(lines_of(app.screen))
