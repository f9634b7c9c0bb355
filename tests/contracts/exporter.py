"""What every export format promises: any tree goes out whole or in part, never broken, never with an error."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.samplings import SAMPLINGS
from tui_chat.core.models import (
    Attachment,
    Conversation,
    MemorySettings,
    Message,
    ModelRef,
    Part,
    Role,
    Status,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from tui_chat.core.ports import ExportedConversation, Exporter

NASTY = st.sampled_from(
    [
        "",
        "\x00",
        "a\r\nb\rc\n",
        "\u202egnp.exe",
        "👩\u200d👩\u200d👧\ufe0f",
        "\x1b]52;c;AAAA\x1b\\",
        "\x7f\x85\x9b\u2028\u2029\ufeff",
        '"\\u0000"',
        "\U0010ffff\ufffe",
        "```\n# not a heading\n",
    ]
)
TEXTS = NASTY | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
IDS = st.uuids(version=4).map(str)
INSTANTS = st.integers(0, 4_000_000_000_000)
MODELS = st.none() | st.builds(ModelRef, TEXTS, TEXTS)
NUMBERS = st.integers(0, 2**53 - 1)


def attachment(name: str, mime: str, data: bytes) -> Attachment:
    return Attachment(name, mime, hashlib.sha256(data).hexdigest(), data)


PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Thinking, TEXTS),
    st.builds(attachment, TEXTS, TEXTS, st.binary(max_size=20)),
    st.builds(ToolCall, TEXTS, TEXTS, TEXTS),
    st.builds(ToolResult, TEXTS, TEXTS),
)


@st.composite
def exported(draw: st.DrawFn) -> ExportedConversation:
    """A conversation with a random tree: several roots, versions side by side, any head."""
    ids: list[str] = []
    messages = []
    for identity in draw(st.lists(IDS, max_size=6, unique=True)):
        parents = st.none() | st.sampled_from(ids) if ids else st.none()
        messages.append(
            Message(
                id=identity,
                parent_id=draw(parents),
                role=draw(st.sampled_from(Role)),
                text=draw(TEXTS),
                created_at=draw(INSTANTS),
                parts=tuple(draw(st.lists(PARTS, max_size=3))),
                status=draw(st.sampled_from([Status.COMPLETE, Status.STOPPED, Status.FAILED])),
                error=draw(st.none() | TEXTS),
                model=draw(MODELS),
                usage=draw(st.none() | st.builds(Usage, NUMBERS, NUMBERS, NUMBERS)),
                pinned=draw(st.booleans()),
                excluded=draw(st.booleans()),
            )
        )
        ids.append(identity)
    conversation = Conversation(
        id=draw(IDS),
        title=draw(TEXTS),
        created_at=draw(INSTANTS),
        updated_at=draw(INSTANTS),
        system_prompt=draw(st.none() | TEXTS),
        model=draw(MODELS),
        memory=draw(
            st.none()
            | st.builds(
                MemorySettings, st.sampled_from(["window", "full"]), NUMBERS, st.sampled_from(["exact", "blocks"])
            )
        ),
        tags=tuple(draw(st.lists(TEXTS, max_size=2, unique=True))),
        pinned=draw(st.booleans()),
        archived=draw(st.booleans()),
        head=draw(st.none() | st.sampled_from(ids) if ids else st.none()),
        sampling=draw(st.none() | SAMPLINGS),
    )
    return ExportedConversation(conversation, tuple(messages))


def _has_no_id_twice(library: list[ExportedConversation]) -> bool:
    ids = [message.id for each in library for message in each.messages]
    return len(set(ids)) == len(ids)


LIBRARIES = st.lists(exported(), max_size=2, unique_by=lambda each: each.conversation.id).filter(_has_no_id_twice)

# The suite is inherited, so its tests run on several classes: that is its purpose, not an accident.
INHERITED = (HealthCheck.too_slow, HealthCheck.differing_executors)


class ExporterContract:
    """Inherit it and say which format; every behaviour below then holds for it."""

    exporter: Exporter

    def dump(self, conversations: Sequence[ExportedConversation]) -> bytes:
        return self.exporter.dump(conversations, exported_at=1_795_000_000_000, generator="tui-chat 0.0.0")

    @settings(max_examples=50, deadline=None, suppress_health_check=INHERITED)
    @given(library=LIBRARIES)
    def test_any_tree_becomes_utf8_with_a_final_newline(self, library: list[ExportedConversation]) -> None:
        data = self.dump(library)

        assert data.decode().endswith("\n")

    @settings(max_examples=20, deadline=None, suppress_health_check=INHERITED)
    @given(library=LIBRARIES)
    def test_the_same_conversations_make_the_same_bytes(self, library: list[ExportedConversation]) -> None:
        assert self.dump(library) == self.dump(library)

    def test_every_text_of_the_branch_on_show_is_in_it(self) -> None:
        prompt = Message("m1", None, Role.USER, "what is it?", 0)
        reply = Message("m2", "m1", Role.ASSISTANT, "it is", 0, parts=(Thinking("hm"),), error="cut off")
        conversation = Conversation("c", "A title", 0, 0, system_prompt="be brief", head="m2")

        text = self.dump([ExportedConversation(conversation, (prompt, reply))]).decode()

        for expected in ("A title", "be brief", "what is it?", "hm", "it is", "cut off"):
            assert expected in text

    def test_a_reply_that_is_still_being_written_reads_as_stopped(self) -> None:
        reply = Message("m1", None, Role.ASSISTANT, "half", 0, status=Status.STREAMING)

        text = self.dump([ExportedConversation(Conversation("c", "t", 0, 0, head="m1"), (reply,))]).decode()

        assert "stopped" in text
        assert "streaming" not in text
