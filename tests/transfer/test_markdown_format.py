"""Markdown for reading: the branch on show, and a word about what is not."""

from __future__ import annotations

from tests.contracts.exporter import ExporterContract
from tui_chat.core.models import Conversation, Message, ModelRef, Role, Status
from tui_chat.core.ports import ExportedConversation
from tui_chat.transfer.markdown_format import MarkdownFormat

AT = 1_795_000_000_000


class TestMarkdown(ExporterContract):
    exporter = MarkdownFormat()


def test_the_branch_on_show_is_written_and_the_rest_is_counted() -> None:
    messages = (
        Message("m1", None, Role.USER, "Hello,\nwho are you?", AT),
        Message("m2", "m1", Role.ASSISTANT, "first", AT, status=Status.STOPPED),
        Message("m3", "m1", Role.ASSISTANT, "second", AT, model=ModelRef("local", "tiny")),
    )
    conversation = Conversation("c", "A\ntitle", AT, AT, model=ModelRef("local", "tiny"), head="m3", tags=("x",))

    data = MarkdownFormat().dump([ExportedConversation(conversation, messages)], exported_at=AT, generator="tui-chat 1")

    assert data.decode() == (
        "# A title\n\n"
        "Started 2026-11-18 11:06 UTC · model local/tiny · tags x\n\n"
        "*1 message of other branches left out.*\n\n"
        "## You · 2026-11-18 11:06 UTC\n\nHello,\nwho are you?\n\n"
        "## tiny · 2026-11-18 11:06 UTC\n\nsecond\n\n"
        "---\n\n*Exported 2026-11-18 11:06 UTC by tui-chat 1.*\n"
    )
