"""Selected lines as text: wrapped lines joined, what is only drawn left out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tui_chat.ui.markdown import Line
from tui_chat.ui.widgets.transcript_look import GUTTER

_SPACE = re.compile(r" {3,}")


def copied(lines: Iterable[tuple[Line, int, int | None, bool]]) -> str:
    """The text of lines, each with the first and last column that is selected and whether it is a header.

    Columns count characters of what is painted, the gutter included; None is the end of the line.
    """
    out: list[str] = []
    for line, start, end, is_header in lines:
        if line.glue is None:
            continue
        plain = line.plain
        stop = len(plain) if end is None else max(0, end - GUTTER)
        text = plain[max(line.lead, start - GUTTER) : stop].rstrip()
        if out:
            out.append(line.glue)
        out.append(_SPACE.sub("  ", text) if is_header else text)
    return "".join(out)
