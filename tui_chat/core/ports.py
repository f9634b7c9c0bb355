"""Every seam of the program, on one page: what the inside asks of the rim."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tui_chat.core.clock import Millis
from tui_chat.core.context import ContextPlan
from tui_chat.core.events import Delta
from tui_chat.core.models import Attachment, Conversation, Message, MessageHeader, Role
from tui_chat.core.models import Body as Body
from tui_chat.core.models import ConversationIndex as ConversationIndex
from tui_chat.core.models import ListedConversation as ListedConversation
from tui_chat.core.recall import Hit
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.core.summary import Summary

# -- model services -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as its server describes it; ``context_window`` in tokens where the server says it.

    ``runs_at`` is the host that the server hands everything on to, for a model that it does not run itself.
    ``takes_images`` is None where the server does not say.
    """

    name: str
    context_window: int | None = None
    runs_at: str = ""
    takes_images: bool | None = None


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A model server found on this computer: offered, never used before the user confirmed it."""

    kind: str
    base_url: str
    models: tuple[ModelCard, ...]
    dialect: str = "openai"


class Provider(Protocol):
    """One model service. Fails with ``ProviderError`` only; a cancelled stream closes its connection."""

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """The request's body, byte for byte as ``stream`` sends it. Pure."""

    def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """Send the plan and yield what comes back; ends after ``Finished`` or raises ``ProviderError``."""

    async def models(self) -> Sequence[ModelCard]:
        """The models this service offers, in its order."""

    async def close(self) -> None:
        """Close what is open."""


class Providers(Protocol):
    """Makes providers, and finds servers on this computer."""

    def open(self, endpoint: Endpoint, key: Secret | None) -> Provider:
        """A provider for that endpoint. Raises BadInput for an unknown dialect or an unsafe address."""

    async def discover(self) -> Sequence[FoundServer]:
        """Probe the loopback's well-known ports; sends no key, follows no redirect."""


# -- the history ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A place where all words of a search occur. The last four are None for a hit in a title."""

    conversation_id: str
    title: str
    snippet: str
    message_id: str | None = None
    role: str | None = None
    created_at: Millis | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What one request cost: tokens as the server counted them, or as ``estimated`` where it did not say.

    ``usd`` is at the list price of that day (at least so much, for prompts longer than that holds for),
    None where no price was known. No text of any kind.
    """

    at: Millis
    conversation_id: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    usd: float | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum of spendings; ``usd`` counts those with a known price, ``unpriced`` the requests without one."""

    tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0


class Removal(StrEnum):
    """Why messages were taken out; each can be undone for 30 days."""

    DELETE = "delete"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What an import did; ``unchanged`` counts conversations whose id was known and so kept as they are."""

    conversations: int
    messages: int
    unchanged: int


class ConversationStore(Protocol):
    """The encrypted history. Every write is durable when its call returns; all calls keep their order.

    Raises StoreFailed where the file cannot be written or read, NotFound for unknown ids.
    Deleted conversations and removed messages are invisible unless said otherwise.
    """

    # -- conversations
    async def add_conversation(self, conversation: Conversation) -> None: ...
    async def update_conversation(
        self, conversation_id: str, change: Callable[[Conversation], Conversation]
    ) -> Conversation:
        """Write what ``change`` makes of it, every field but ``tags`` and ``head``; returns it as it is then.

        Nobody changes it in between, another program neither.
        """

    async def conversation(self, conversation_id: str) -> Conversation:
        """Its settings; where the head was removed, ``head`` is its nearest ancestor that is still there."""

    async def index(
        self, *, text: str = "", archived: bool = False, deleted: bool = False, tag: str | None = None
    ) -> ConversationIndex:
        """The list's order. ``text`` keeps the titles in which a word begins with each of its words."""

    async def listed(self, keys: Sequence[int]) -> Sequence[ListedConversation]:
        """The rows of an index, in the order asked for; those deleted (or brought back) meanwhile are left out."""

    async def find(self, name: str, *, deleted: bool = False) -> Sequence[Conversation]:
        """Those whose id is, begins or ends with ``name`` (8 characters or more), else whose title is ``name``."""

    async def key(self, conversation_id: str) -> int:
        """The number by which lists know it."""

    async def newest(self) -> Conversation | None:
        """The one with the newest ``updated_at``, not archived."""

    async def set_head(self, conversation_id: str, head: str | None) -> None: ...
    async def set_tags(self, conversation_id: str, tags: Sequence[str]) -> None: ...
    async def delete_conversations(self, ids: Sequence[str], at: Millis) -> None: ...
    async def undelete_conversation(self, conversation_id: str) -> None: ...
    async def erase_conversations(self, ids: Sequence[str]) -> None:
        """Delete for good, from index and file."""

    async def erase_if_untouched(self, conversation_id: str) -> bool:
        """Erase one that nobody ever did anything with; whether it was.

        Untouched is: no message (removed ones count), title, system prompt, draft or attachment of one,
        tag, and not pinned.
        """

    # -- messages
    async def headers(self, conversation_id: str) -> Sequence[MessageHeader]:
        """The whole tree without texts, oldest first, parents before children.

        A message whose parent was removed hangs on its nearest ancestor that is still there.
        """

    async def bodies(self, ids: Iterable[str]) -> Mapping[str, Body]:
        """Texts and parts; of attachments only what there is, not their data. Raises NotFound."""

    async def contents(self, hashes: Iterable[str]) -> Mapping[str, bytes]:
        """The data of attachments by their ``sha256``. Raises NotFound where no visible message or draft has it."""

    async def message(self, message_id: str) -> Message:
        """One message, whole: with the data of its attachments."""

    async def messages(self, conversation_id: str) -> Sequence[Message]:
        """The whole tree with texts and all data, in the order of ``headers``."""

    async def add_message(self, conversation_id: str, message: Message, *, adopt: Sequence[str] = ()) -> None:
        """Insert it as the leaf on show, and move the conversation's ``updated_at`` to its time.

        The messages of ``adopt`` become its children; then the leaf on show stays what it is.
        An attachment need not be loaded where the history has its content, from a draft or another
        message. Raises BadInput where it has not, or its checksum is not the data's.
        """

    async def add_prompt(self, conversation_id: str, prompt: Message, *, title: str, keep_draft: bool = False) -> None:
        """Insert it as the leaf on show, name a conversation that has no title, empty the draft: all at once.

        The draft loses its attachments too; those that are sent are among the prompt's parts. With
        ``keep_draft`` it was not the draft that is sent, and both stay.
        """

    async def checkpoint(self, message_id: str, body: Body, at: Millis) -> None:
        """Write what has arrived of a streaming message and say that its writer is alive.

        Does nothing to a message that is no longer streaming.
        """

    async def finish_message(self, message: Message, at: Millis) -> None:
        """Write the final text, parts, status, error, model and usage; it enters the search index."""

    async def mark_message(self, message_id: str, *, pinned: bool | None = None, excluded: bool | None = None) -> None:
        """Set what is given: always sent, never sent."""

    async def keep_digest(self, message_id: str, digest: str) -> None:
        """Keep what the model saw when it gave this reply: JSON text of ids and reasons, gone with its message."""

    async def digest(self, message_id: str) -> str | None:
        """What was kept with ``keep_digest``; None for a reply without."""

    async def keep_summary(self, conversation_id: str, summary: Summary) -> None:
        """Add it to the conversation's summaries, or replace the one of its id.

        Raises NotFound where a source is not (or no longer) visible there; nothing is kept then.
        """

    async def summaries(self, conversation_id: str) -> Sequence[Summary]:
        """Those of the conversation whose sources are all still visible, newest first.

        One that has lost a source - deleted, cleared - is erased for good with the removal, not only
        hidden: a deleted message must not live on in a summary.
        """

    async def drop_summary(self, summary_id: str) -> None:
        """Erase it for good."""

    async def add_spending(self, spending: Spending) -> None:
        """Enter it in the ledger. It outlives its conversation, of which it then keeps nothing."""

    async def spent(self, *, conversation_id: str | None = None, since: Millis = 0) -> Spent:
        """The sum over one conversation (None: all) from that instant on; nothing for one that nobody knows."""

    async def stop_abandoned(self, before: Millis) -> int:
        """Streaming messages with no sign of life since ``before`` become stopped; their number."""

    async def remove_messages(self, conversation_id: str, ids: Sequence[str] | None, kind: Removal, at: Millis) -> str:
        """Take messages out (None: all) and return the removal's id. The head is remembered with it."""

    async def restore_removal(self, removal_id: str) -> None:
        """Undo a removal; the head it remembered is the head again."""

    async def last_clear(self, conversation_id: str) -> str | None:
        """The newest removal of kind ``clear`` that was not undone."""

    async def purge(self, before: Millis) -> None:
        """Erase for good what was deleted or removed before that instant."""

    # -- drafts, settings, secrets
    async def draft(self, conversation_id: str) -> str: ...
    async def save_draft(self, conversation_id: str, text: str) -> None: ...
    async def draft_attachments(self, conversation_id: str) -> Sequence[Attachment]:
        """The files that go with what is typed, loaded, in their order."""

    async def save_draft_attachments(self, conversation_id: str, attachments: Sequence[Attachment]) -> None:
        """Keep these instead of what went with the draft; what goes with nothing any more is erased at once.

        One that the history has need not be loaded. Raises BadInput as ``add_message``.
        """

    async def value(self, key: str) -> str | None:
        """A small remembered value (what was open, where it was scrolled to): JSON text by key."""

    async def set_value(self, key: str, value: str) -> None: ...
    async def secret(self, name: str) -> Secret | None: ...
    async def set_secret(self, name: str, value: Secret | None) -> None: ...

    # -- search, transfer, upkeep
    async def search(self, query: str, *, limit: int = 50) -> Sequence[SearchHit]:
        """Titles first, then messages, newest first; all words must occur; any text is a valid query."""

    async def ranked(self, terms: Sequence[str], *, without: Sequence[str], limit: int = 200) -> Sequence[Hit]:
        """Messages of all conversations but ``without`` in which any of the terms occurs, best first (bm25).

        Not removed, excluded or empty ones, archived conversations too, as ``search`` sees them. Terms
        are plain words; among very many messages the commonest are passed over. The score is only
        comparable within one answer.
        """

    async def import_conversations(
        self, conversations: Sequence[tuple[Conversation, Sequence[Message]]], *, dry_run: bool = False
    ) -> ImportCount:
        """In one transaction, keeping ids, times and every field; known conversation ids are not touched.

        A message id that is known in another conversation is BadInput and nothing is written.
        """

    async def check_integrity(self) -> str:
        """``ok``, or what the file's own check found."""

    async def close(self) -> None: ...


# -- retrieval --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Passage:
    """A message as retrieval indexes it."""

    id: str
    role: Role
    created_at: Millis
    tokens: int
    lines: int
    text: str


class Recall(Protocol):
    """A ranked index of one branch, in memory only; nothing of it is ever written to a file.

    Its work happens in a worker thread, in slices that keep no key waiting. Calls keep their order.
    """

    @property
    def size(self) -> int:
        """How many messages it holds."""

    def missing(self, ids: Sequence[str]) -> Sequence[str]:
        """The messages of this branch, oldest first, that it must be given to hold exactly them."""

    async def hold(self, ids: Sequence[str], passages: Sequence[Passage]) -> None:
        """From now on it holds this branch; ``passages`` are those that were ``missing``, in its order.

        What stays where it was is not indexed again. Cancelled, it holds what it held or less.
        """

    async def rank(self, terms: Sequence[str], *, limit: int = 200) -> Sequence[Hit]:
        """Messages in which any of the terms occurs, best first, ties newer first.

        Any text is a valid term; one that is given more than once counts as often.
        """

    async def close(self) -> None:
        """Forget everything."""


# -- files and formats -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Completion:
    """What a begun path may mean: ``path`` to read it by, and ``text`` to show and to stand for it.

    The text is one clean line; that of a folder ends in ``/`` and can be completed on.
    """

    path: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def is_folder(self) -> bool:
        return self.text.endswith("/")


class Files(Protocol):
    """The user's own files, as the user names them: ``~`` is the home, relative is to the working directory.

    Reads regular files only, and waits for nothing that a name may hide (pipes, devices). Every call blocks.
    """

    def read(self, path: str) -> Attachment:
        """The file, within the limits of ``core.attachments``.

        Raises NotFound where it is missing, BadInput where it is no regular file, may not be read, or
        cannot go with a message.
        """

    def existing(self, names: Sequence[str]) -> Sequence[str]:
        """The full paths of those names, absolute or below ``~``, that are regular files."""

    def completions(self, begun: str, *, limit: int) -> Sequence[Completion]:
        """Files and folders whose path begins so, the case of the last name aside; nothing where none can be listed.

        For a begun name without a folder also files deeper down that begin with it. Looks at a
        bounded number of names; hidden ones are named only where the begun name is.
        """


@dataclass(frozen=True, slots=True)
class ExportedConversation:
    """A conversation with its whole tree, parents before children."""

    conversation: Conversation
    messages: tuple[Message, ...]


class Exporter(Protocol):
    """A format to export to: bytes out, no files."""

    name: str

    def dump(self, conversations: Sequence[ExportedConversation], *, exported_at: Millis, generator: str) -> bytes: ...


class Importer(Protocol):
    """A format to import from: bytes in, no files."""

    name: str

    def recognises(self, data: bytes) -> bool: ...
    def load(self, data: bytes) -> Sequence[ExportedConversation]:
        """Everything or nothing. Raises BadInput that says where it stopped understanding."""
