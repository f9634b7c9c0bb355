"""Markdown as lines of a terminal, whole or while it is still being written.

Decisions, and what they cost:

* Tokens become ``Line`` values (segments and a width), not widgets: a thousand messages cost as much
  as the screen shows. What a widget gives for free (hover, focus) the transcript does itself.
* One pair of inks per theme, resolved once. A theme change renders again what is on show.
* The parser is CommonMark with tables and strikethrough, without HTML (shown literally, never dropped),
  without automatic links (a third of the parse time). A newline in a paragraph is a newline on the
  screen: people and models write lists of facts that way.
* Nothing is fetched and nothing is obeyed: text is cleaned before it is parsed, images are named, only
  http, https and mailto addresses can be clicked.
* A growing text is parsed again from its last open block only. References that are defined after their
  use are the price; ``Stream.is_exact`` says when a whole rendering is due.

markdown-it and pygments are imported at first use: neither is on the way to the first paint.
"""

from tui_chat.ui.markdown.blocks import LIMIT, render
from tui_chat.ui.markdown.inks import Inks
from tui_chat.ui.markdown.lines import BLANK, Line, Run, crop, fold, wrap
from tui_chat.ui.markdown.parse import code_blocks
from tui_chat.ui.markdown.stream import Stream

__all__ = ["BLANK", "LIMIT", "Inks", "Line", "Run", "Stream", "code_blocks", "crop", "fold", "render", "wrap"]
