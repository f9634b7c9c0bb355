"""Conversations and messages, as values."""

from __future__ import annotations

import base64
from array import array
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from tui_chat.core.clock import Millis
from tui_chat.core.sampling import Sampling


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    SYSTEM = "system"


class Status(StrEnum):
    """How far a message got; the same four words everywhere."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model at an endpoint, written ``endpoint/name``."""

    endpoint: str
    name: str

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.name}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; ``input_tokens`` includes the cached ones."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Thinking:
    """A model's thinking, kept apart from its answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message; ``data`` is its content, of ``size`` bytes.

    Where only what there is was asked for, ``data`` is empty and ``size`` is not: it is then not loaded.
    """

    name: str
    mime: str
    sha256: str
    data: bytes = field(repr=False)
    size: int = -1

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", len(self.data))

    @property
    def is_loaded(self) -> bool:
        return len(self.data) == self.size

    def unloaded(self) -> Attachment:
        """The same without its data."""
        return replace(self, data=b"")

    @property
    def base64(self) -> str:
        return base64.b64encode(self.data).decode()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool; ``arguments`` is the JSON text as it was sent."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call of that id."""

    id: str
    text: str


Part = Thinking | Attachment | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """What the model gets to remember of a conversation.

    ``max_messages`` counts earlier messages (user and assistant alike), not the draft. ``scope`` is
    where retrieval looks: ``conversation``, or ``all`` of the user's, only by explicit choice.
    """

    strategy: str = "window"
    max_messages: int = 20
    trim: str = "exact"
    scope: str = "conversation"


@dataclass(frozen=True, slots=True)
class Conversation:
    """The settings of a dialogue; its messages are a tree, fetched, not held.

    ``head`` is the leaf of the branch on show; None where nothing was said yet. ``model``,
    ``memory`` and ``sampling`` are None where the user's defaults hold.
    """

    id: str
    title: str
    created_at: Millis
    updated_at: Millis
    system_prompt: str | None = None
    model: ModelRef | None = None
    memory: MemorySettings | None = None
    tags: tuple[str, ...] = ()
    pinned: bool = False
    archived: bool = False
    head: str | None = None
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation's tree; ``error`` stands beside the text, never in it."""

    id: str
    parent_id: str | None
    role: Role
    text: str
    created_at: Millis
    parts: tuple[Part, ...] = ()
    status: Status = Status.COMPLETE
    error: str | None = None
    model: ModelRef | None = None
    usage: Usage | None = None
    pinned: bool = False
    excluded: bool = False

    @property
    def thinking(self) -> str:
        """The thinking parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Thinking))

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files that go with it."""
        return tuple(part for part in self.parts if isinstance(part, Attachment))

    def settled(self) -> Message:
        """As every form outside the app shows it: still streaming reads as stopped."""
        return replace(self, status=Status.STOPPED) if self.status is Status.STREAMING else self


@dataclass(frozen=True, slots=True)
class Body:
    """The heavy part of a message. Where it was read as such, its attachments are not loaded."""

    text: str
    parts: tuple[Part, ...] = ()


class MessageHeader(NamedTuple):
    """Everything about a message but its text: what a list of ten thousand is held as.

    A named tuple because rows become headers by the thousand when a conversation is opened.
    ``characters`` and ``lines`` are those of the text; ``tokens``, ``letters`` and
    ``other_letters`` are ``core.tokens.measure`` of all text that is sent of it: its own, that of its
    files, the arguments of its tool calls, its tool results. ``calls`` are the ids of the tool calls it
    makes, ``answers`` those it brings the results of, ``attachments`` how many files go with it: of them
    ``images`` may be sent as such, at about ``image_tokens`` beside ``tokens``, and ``other_files`` never are.
    """

    id: str
    parent_id: str | None
    role: Role
    status: Status
    created_at: Millis
    model_name: str | None
    error: str | None
    characters: int
    lines: int
    tokens: int
    letters: int
    other_letters: int
    has_thinking: bool
    pinned: bool
    excluded: bool
    calls: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    attachments: int = 0
    images: int = 0
    image_tokens: int = 0
    other_files: int = 0

    @property
    def has_text(self) -> bool:
        return self.characters > 0

    @property
    def is_sendable(self) -> bool:
        """Whether there is anything of it that a request can carry; only a model calls, and only a tool answers."""
        if self.characters or self.attachments > self.other_files:
            return True
        return bool(self.calls if self.role is Role.ASSISTANT else self.role is Role.TOOL and self.answers)


def clean_surrogates(text: str) -> str:
    """Text as it may be stored: lone surrogates become U+FFFD, everything else stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def title_from(prompt: str, *, limit: int = 60) -> str:
    """A title for a conversation that begins with this prompt: its first line, cut at a word."""
    line = next((" ".join(line.split()) for line in prompt.splitlines() if line.strip()), "")
    if len(line) <= limit:
        return line
    head = line[:limit]
    space = head.rfind(" ")
    return (head[:space] if space > limit // 2 else head).rstrip(" ,;:-") + "…"


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation as a list shows it; ``key`` is the store's own number for it."""

    key: int
    conversation: Conversation
    message_count: int


@dataclass(frozen=True, slots=True)
class ConversationIndex:
    """The order of a list without its rows: parallel arrays, pinned ones first, then newest first."""

    keys: array[int]
    updated_at: array[int]
    pinned: int
