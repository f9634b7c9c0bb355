"""Formats to export to and to import from: bytes in, bytes out, no files.

A format is one module with one class, and one line in its table here. An importer understands a
file whole or refuses it whole, naming the place and never repeating the text.
"""

from __future__ import annotations

from tui_chat.core.ports import Exporter, Importer
from tui_chat.transfer.json_format import JsonFormat
from tui_chat.transfer.markdown_format import MarkdownFormat

__all__ = ["EXPORTERS", "IMPORTERS"]

EXPORTERS: tuple[Exporter, ...] = (JsonFormat(), MarkdownFormat())
"""Every format to export to, the default first."""

IMPORTERS: tuple[Importer, ...] = (JsonFormat(),)
"""Every format to import from, in the order in which they are asked whether they recognise a file."""
