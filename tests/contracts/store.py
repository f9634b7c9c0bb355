"""What every ``ConversationStore`` does; an adapter's test inherits this and provides ``store``."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import count

import pytest

from tests.attached import attached, picture
from tests.samplings import ALL
from tui_chat.core import tokens
from tui_chat.core.errors import BadInput, NotFound
from tui_chat.core.headers import header_of
from tui_chat.core.ids import make_id
from tui_chat.core.models import (
    Attachment,
    Conversation,
    MemorySettings,
    Message,
    ModelRef,
    Role,
    Status,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from tui_chat.core.ports import Body, ConversationStore, ImportCount, Removal, Spending, Spent
from tui_chat.core.sampling import Sampling
from tui_chat.core.secret import Secret
from tui_chat.core.summary import Source, Summary

_instants = count(1_795_000_000_000, 1000)

ODD_TEXTS = (
    "",
    "\0",
    "a\0b",
    "\r\n\t\x1b[31m",
    "  spaces  \n\n",
    "e\u0301 é ﬁ",
    "日本語 한국어 العربية",
    "🧑‍🚀\ufeff\u2028",
    "'\"; DROP TABLE message; --",
)


def conversation(title: str = "A title", **fields: object) -> Conversation:
    """A conversation, newer than every one made before."""
    at = next(_instants)
    return replace(Conversation(make_id(), title, at, at), **fields)  # type: ignore[arg-type]


def message(text: str = "some text", parent: Message | None = None, **fields: object) -> Message:
    """A message below ``parent``: a prompt below a reply, a reply below a prompt."""
    role = Role.ASSISTANT if parent is not None and parent.role is Role.USER else Role.USER
    made = Message(make_id(), None if parent is None else parent.id, role, text, next(_instants))
    return replace(made, **fields)  # type: ignore[arg-type]


def chain(*texts: str) -> list[Message]:
    """Messages, each below the one before."""
    messages: list[Message] = []
    for text in texts:
        messages.append(message(text, messages[-1] if messages else None))
    return messages


def full_message(parent: Message | None = None) -> Message:
    """A message with something in every field."""
    data = b"\0\1\2"
    return message(
        "text",
        parent,
        role=Role.ASSISTANT,
        status=Status.FAILED,
        error="It failed.",
        model=ModelRef("openai", "gpt/4"),
        usage=Usage(10, 20, 3),
        pinned=True,
        excluded=True,
        parts=(
            Thinking("hm\0m"),
            Attachment("a.bin", "application/octet-stream", hashlib.sha256(data).hexdigest(), data),
            ToolCall("1", "look", '{"at": "it"}'),
            ToolResult("1", "seen"),
        ),
    )


def summary(*sources: Message, text: str = "what was said", **fields: object) -> Summary:
    """A summary of these messages, newer than every one made before."""
    of = tuple(Source.of(header_of(each)) for each in sources)
    return replace(Summary(make_id(), text, of, "a model", next(_instants), 12), **fields)  # type: ignore[arg-type]


def spending(conversation_id: str, **fields: object) -> Spending:
    """What a request cost: 30 tokens, half a dollar."""
    made = Spending(next(_instants), conversation_id, "a model", input_tokens=10, output_tokens=20, usd=0.5)
    return replace(made, **fields)  # type: ignore[arg-type]


class StoreContract:
    """The promises of ``core.ports.ConversationStore``."""

    @pytest.fixture
    def store(self) -> AsyncIterator[ConversationStore]:
        """An empty store; the adapter's test makes it, and closes it."""
        raise NotImplementedError

    async def saved(
        self, store: ConversationStore, *messages: Message, title: str = "A title", **fields: object
    ) -> Conversation:
        """A conversation with these messages, as it is afterwards."""
        made = conversation(title, **fields)
        await store.add_conversation(made)
        for each in messages:
            await store.add_message(made.id, each)
        return await store.conversation(made.id)

    async def ids(self, store: ConversationStore, conversation_id: str) -> list[str]:
        return [header.id for header in await store.headers(conversation_id)]

    async def titles(self, store: ConversationStore, **query: object) -> list[str]:
        index = await store.index(**query)  # type: ignore[arg-type]
        return [row.conversation.title for row in await store.listed(index.keys)]

    # -- conversations ------------------------------------------------------------------

    async def test_marks_are_set_one_by_one(self, store: ConversationStore) -> None:
        home, marked = conversation(), message()
        await store.add_conversation(home)
        await store.add_message(home.id, marked)

        await store.mark_message(marked.id, pinned=True)
        await store.mark_message(marked.id, excluded=True)
        await store.mark_message(marked.id, pinned=False)

        kept = await store.message(marked.id)
        assert (kept.pinned, kept.excluded) == (False, True)
        assert (await store.headers(home.id))[0].excluded
        with pytest.raises(NotFound):
            await store.mark_message("nothing", pinned=True)

    async def test_a_digest_is_kept_with_its_message_and_gone_with_it(self, store: ConversationStore) -> None:
        home, reply = conversation(), message()
        await store.add_conversation(home)
        await store.add_message(home.id, reply)
        before = await store.digest(reply.id)

        await store.keep_digest(reply.id, '{"entries": []}')
        await store.keep_digest(reply.id, '{"entries": [1]}')
        kept = await store.digest(reply.id)
        await store.erase_conversations([home.id])

        assert (before, kept, await store.digest(reply.id)) == (None, '{"entries": [1]}', None)

    async def test_a_conversation_comes_back_whole(self, store: ConversationStore) -> None:
        made = conversation(
            "Ein Titel 日本\0",
            system_prompt="Be brief.\n",
            model=ModelRef("a", "b/c"),
            memory=MemorySettings("full", 7, "blocks", "all"),
            tags=("zeta", "alpha", "o'\"\0"),
            pinned=True,
            archived=True,
            sampling=ALL,
        )
        await store.add_conversation(made)

        assert await store.conversation(made.id) == made

    async def test_no_parameters_of_its_own_are_not_the_same_as_none_at_all(self, store: ConversationStore) -> None:
        made = [conversation(sampling=each) for each in (None, Sampling(), Sampling(temperature=0.0))]
        for each in made:
            await store.add_conversation(each)
        await store.update_conversation(made[2].id, lambda now: replace(now, sampling=None))
        await store.update_conversation(made[0].id, lambda now: replace(now, sampling=Sampling(seed=0)))

        assert [Sampling(seed=0), Sampling(), None] == [(await store.conversation(each.id)).sampling for each in made]

    async def test_a_known_conversation_id_is_not_added_again(self, store: ConversationStore) -> None:
        made = await self.saved(store)

        with pytest.raises(BadInput):
            await store.add_conversation(replace(made, title="Another"))
        assert await store.conversation(made.id) == made

    async def test_an_update_writes_every_field_but_tags_and_head(self, store: ConversationStore) -> None:
        first = message()
        made = await self.saved(store, first, tags=("kept",))
        changed = replace(
            made, title="New", created_at=5, updated_at=6, system_prompt="", model=ModelRef("x", "y"), pinned=True
        )
        given: list[Conversation] = []

        def change(now: Conversation) -> Conversation:
            given.append(now)
            return replace(changed, tags=(), head=None)

        assert changed == await store.update_conversation(made.id, change)
        assert [made] == given
        assert changed == await store.conversation(made.id)

    async def test_unknown_ids_are_not_found(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        unknown = make_id()
        for call in (
            store.conversation(unknown),
            store.key(unknown),
            store.update_conversation(unknown, lambda now: now),
            store.set_head(unknown, None),
            store.set_head(made.id, unknown),
            store.set_tags(unknown, ()),
            store.delete_conversations([made.id, unknown], 1),
            store.undelete_conversation(unknown),
            store.erase_conversations([made.id, unknown]),
            store.headers(unknown),
            store.bodies([unknown]),
            store.contents([unknown]),
            store.message(unknown),
            store.messages(unknown),
            store.add_message(unknown, message()),
            store.add_message(made.id, message(parent_id=unknown)),
            store.add_message(made.id, message(), adopt=[unknown]),
            store.checkpoint(unknown, Body("x"), 1),
            store.finish_message(message(), 1),
            store.remove_messages(made.id, [unknown], Removal.DELETE, 1),
            store.restore_removal(unknown),
            store.last_clear(unknown),
            store.draft(unknown),
            store.save_draft(unknown, "x"),
            store.draft_attachments(unknown),
            store.save_draft_attachments(unknown, ()),
            store.add_prompt(unknown, message(), title="x"),
            store.add_prompt(made.id, message(parent_id=unknown), title="x"),
            store.erase_if_untouched(unknown),
            store.keep_summary(unknown, summary()),
            store.summaries(unknown),
            store.drop_summary(unknown),
        ):
            with pytest.raises(NotFound):
                await call

        assert await store.conversation(made.id) == made

    async def test_tags_keep_their_order(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        await store.set_tags(made.id, ["z", "a", "z"])

        assert (await store.conversation(made.id)).tags == ("z", "a")

    async def test_the_newest_is_the_last_touched_that_is_not_archived(self, store: ConversationStore) -> None:
        assert await store.newest() is None
        await self.saved(store, title="old", pinned=True)
        await self.saved(store, title="new")
        await self.saved(store, title="archived", archived=True)
        gone = await self.saved(store, title="deleted")
        await store.delete_conversations([gone.id], 1)
        newest = await store.newest()

        assert newest is not None
        assert newest.title == "new"

    # -- lists --------------------------------------------------------------------------

    async def test_the_list_has_pinned_ones_first_then_newest(self, store: ConversationStore) -> None:
        for title, pinned in (("a", False), ("b", True), ("c", False), ("d", True)):
            await self.saved(store, title=title, pinned=pinned)
        index = await store.index()

        assert await self.titles(store) == ["d", "b", "c", "a"]
        assert index.pinned == 2
        assert list(index.updated_at) == [row.conversation.updated_at for row in await store.listed(index.keys)]

    async def test_the_list_is_narrowed(self, store: ConversationStore) -> None:
        await self.saved(store, title="Alpha beta", tags=("work",))
        await self.saved(store, title="Beta gamma", archived=True)
        gone = await self.saved(store, title="Gamma delta")
        await store.delete_conversations([gone.id], 1)

        assert await self.titles(store) == ["Alpha beta"]
        assert await self.titles(store, archived=True) == ["Beta gamma"]
        assert await self.titles(store, deleted=True) == ["Gamma delta"]
        assert await self.titles(store, tag="work") == ["Alpha beta"]
        assert await self.titles(store, tag="play") == []

    async def test_the_lists_text_is_beginnings_of_words(self, store: ConversationStore) -> None:
        await self.saved(store, title="Crème brûlée recipes")
        await self.saved(store, title="日本語の本 🧁")

        assert await self.titles(store, text="rec creme") == ["Crème brûlée recipes"]
        assert await self.titles(store, text="ecipes") == []
        assert await self.titles(store, text="本") == ["日本語の本 🧁"]
        assert await self.titles(store, text="🧁") == ["日本語の本 🧁"]
        assert await self.titles(store, text='"*') == []
        assert len(await self.titles(store, text="  ")) == 2

    async def test_a_renamed_conversation_is_listed_by_its_new_title(self, store: ConversationStore) -> None:
        made = await self.saved(store, title="before")
        await store.update_conversation(made.id, lambda now: replace(now, title="after"))

        assert await self.titles(store, text="before") == []
        assert await self.titles(store, text="after") == ["after"]

    async def test_listed_rows_come_in_the_order_asked_for(self, store: ConversationStore) -> None:
        await self.saved(store, *chain("1", "2", "3"), title="three")
        await self.saved(store, title="none")
        keys = list((await store.index()).keys)
        rows = await store.listed([keys[1], 10**9, keys[0]])

        assert [(row.key, row.conversation.title, row.message_count) for row in rows] == [
            (keys[1], "three", 3),
            (keys[0], "none", 0),
        ]

    async def test_rows_of_a_list_that_was_made_before_a_deletion_are_left_out(self, store: ConversationStore) -> None:
        made = await self.saved(store, title="here")
        gone = await self.saved(store, title="gone")
        before = (await store.index()).keys
        await store.delete_conversations([gone.id], 1)
        deleted = (await store.index(deleted=True)).keys
        during = [await store.listed(before), await store.listed(deleted)]
        await store.undelete_conversation(gone.id)
        await store.delete_conversations([made.id], 1)

        assert [[row.conversation.title for row in rows] for rows in during] == [["here"], ["gone"]]
        assert [row.key for row in during[1]] == list(deleted)
        assert [row.conversation.title for row in await store.listed(before)] == ["gone"]
        assert await store.listed(deleted) == []

    async def test_a_conversations_key_is_the_lists(self, store: ConversationStore) -> None:
        await self.saved(store)
        made = await self.saved(store)
        keys = (await store.index()).keys

        assert await store.key(made.id) == keys[0]

    async def test_removed_messages_are_not_counted(self, store: ConversationStore) -> None:
        first, second = chain("1", "2")
        made = await self.saved(store, first, second)
        await store.remove_messages(made.id, [first.id], Removal.DELETE, 1)
        rows = await store.listed((await store.index()).keys)

        assert [row.message_count for row in rows] == [1]

    # -- finding by name ----------------------------------------------------------------

    async def test_a_conversation_is_found_by_id_its_ends_or_its_title(self, store: ConversationStore) -> None:
        made = await self.saved(store, title="Exactly this")
        other = await self.saved(store, title="Something else")
        for name in (made.id, made.id[-8:], "Exactly this"):
            assert await store.find(name) == [made]

        assert {found.id for found in await store.find(made.id[:8])} >= {made.id}
        assert await store.find(made.id[-7:]) == []
        assert await store.find("exactly this") == []
        assert await store.find("%" * 8) == []
        assert await store.find(other.id) == [other]

    async def test_all_of_one_title_are_found_newest_first(self, store: ConversationStore) -> None:
        first, second = await self.saved(store, title="Same"), await self.saved(store, title="Same")

        assert await store.find("Same") == [second, first]

    async def test_deleted_ones_are_found_only_when_asked_for(self, store: ConversationStore) -> None:
        gone, here = await self.saved(store, title="Gone"), await self.saved(store, title="Here")
        await store.delete_conversations([gone.id], 1)

        assert await store.find(gone.id) == []
        assert await store.find(gone.id, deleted=True) == [gone]
        assert await store.find(here.id, deleted=True) == []

    # -- deleting -----------------------------------------------------------------------

    async def test_a_deleted_conversation_is_invisible_until_it_is_brought_back(self, store: ConversationStore) -> None:
        said = message("needle")
        made = await self.saved(store, said)
        await store.delete_conversations([made.id], 1)
        for call in (store.conversation(made.id), store.headers(made.id), store.message(said.id)):
            with pytest.raises(NotFound):
                await call
        assert await store.search("needle") == []
        await store.undelete_conversation(made.id)

        assert await store.conversation(made.id) == made
        assert len(await store.search("needle")) == 1

    async def test_deleting_several_is_all_or_none(self, store: ConversationStore) -> None:
        made = await self.saved(store)

        with pytest.raises(NotFound):
            await store.delete_conversations([made.id, make_id()], 1)
        assert await store.conversation(made.id) == made

    async def test_an_erased_conversation_is_gone_and_its_ids_are_free(self, store: ConversationStore) -> None:
        said = chain("needle", "reply")
        made = await self.saved(store, *said, tags=("t",))
        await store.save_draft(made.id, "draft")
        await store.delete_conversations([made.id], 1)
        await store.erase_conversations([made.id])
        with pytest.raises(NotFound):
            await store.undelete_conversation(made.id)
        assert await store.search("needle") == []
        await store.add_conversation(replace(made, head=None))

        assert await store.headers(made.id) == []
        assert await store.draft(made.id) == ""
        assert await store.check_integrity() == "ok"

    async def test_what_nobody_touched_is_erased(self, store: ConversationStore) -> None:
        made = await self.saved(store, title="")
        erased = await store.erase_if_untouched(made.id)
        with pytest.raises(NotFound):
            await store.undelete_conversation(made.id)

        assert erased
        assert await self.titles(store) == []

    @pytest.mark.parametrize(
        "touch", ["title", "system_prompt", "tags", "pinned", "draft", "attachment", "message", "removed"]
    )
    async def test_what_somebody_touched_is_not_erased(self, store: ConversationStore, touch: str) -> None:
        fields = {"title": "T", "system_prompt": "Be brief.", "tags": ("t",), "pinned": True}
        made = await self.saved(store, **({"title": ""} | {touch: fields[touch]} if touch in fields else {"title": ""}))
        if touch == "draft":
            await store.save_draft(made.id, "typed")
        if touch == "attachment":
            await store.save_draft_attachments(made.id, [attached("a file")])
        if touch in ("message", "removed"):
            await store.add_message(made.id, message())
        if touch == "removed":
            await store.remove_messages(made.id, None, Removal.CLEAR, 1)
        before = await store.conversation(made.id)

        assert not await store.erase_if_untouched(made.id)
        assert await store.conversation(made.id) == before

    # -- messages -----------------------------------------------------------------------

    async def test_a_message_comes_back_whole(self, store: ConversationStore) -> None:
        first, second = message(), full_message()
        made = await self.saved(store, first, replace(second, parent_id=first.id))

        assert await store.message(second.id) == replace(second, parent_id=first.id)
        assert await store.messages(made.id) == [first, replace(second, parent_id=first.id)]
        thinking, file, *tools = second.parts
        assert isinstance(file, Attachment)
        bodies = await store.bodies([first.id, second.id])
        assert {first.id: Body(first.text), second.id: Body("text", (thinking, file.unloaded(), *tools))} == bodies

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_every_text_comes_back_exactly(self, store: ConversationStore, text: str) -> None:
        said = message(text, error=text)
        made = await self.saved(store, said, title=text, system_prompt=text)
        await store.save_draft(made.id, text)
        await store.set_value("key", text)

        assert await store.message(said.id) == said
        assert (made.title, made.system_prompt) == (text, text)
        assert await store.draft(made.id) == text
        assert await store.value("key") == text

    async def test_lone_surrogates_do_not_stop_a_save(self, store: ConversationStore) -> None:
        said = message("a\ud800b")
        await self.saved(store, said)

        assert (await store.message(said.id)).text == "a\ufffdb"

    async def test_a_header_measures_the_text(self, store: ConversationStore) -> None:
        said = message("Zwei Zeilen,\nдве строки\n", parts=(Thinking("hm"),), model=ModelRef("e", "name"))
        made = await self.saved(store, said)
        (header,) = await store.headers(made.id)

        assert (header.characters, header.lines) == (len(said.text), 3)
        assert (header.tokens, header.letters, header.other_letters) == tokens.measure(said.text)
        assert header.has_thinking
        assert header.model_name == "name"

    async def test_a_header_tells_of_tools_and_attachments_and_counts_what_the_tools_say(
        self, store: ConversationStore
    ) -> None:
        plain, full = message(), full_message()
        result = message("found", role=Role.TOOL, parts=(ToolResult("1", "found"), ToolResult("2", "and more")))
        arriving = message("", status=Status.STREAMING)
        made = await self.saved(store, plain, full, result, arriving)
        during = message("half", id=arriving.id, created_at=arriving.created_at, status=Status.STREAMING)
        during = replace(during, parts=(ToolCall("3", "look", '{"at": "it"}'),))
        await store.checkpoint(arriving.id, Body(during.text, during.parts), arriving.created_at)
        headers = await store.headers(made.id)
        ended = replace(during, status=Status.COMPLETE, parts=(*during.parts, ToolCall("4", "look", "{}")))
        await store.finish_message(ended, ended.created_at)
        given = conversation()
        await store.import_conversations([(given, [replace(full, id=make_id())])])
        (imported,) = await store.headers(given.id)

        assert [header_of(each) for each in (plain, full, result, during)] == headers
        assert [(each.calls, each.answers, each.attachments) for each in headers] == [
            ((), (), 0),
            (("1",), ("1",), 1),
            ((), ("1", "2"), 0),
            (("3",), (), 0),
        ]
        assert header_of(ended) == (await store.headers(made.id))[-1]
        assert header_of(full)._replace(id=imported.id) == imported

    async def test_an_empty_text_has_no_lines(self, store: ConversationStore) -> None:
        made = await self.saved(store, message(""))
        (header,) = await store.headers(made.id)

        assert (header.characters, header.lines, header.tokens, header.has_text) == (0, 0, 0, False)

    async def test_a_new_message_is_the_head_and_touches_the_conversation(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        said = message()
        await store.add_message(made.id, said)
        after = await store.conversation(made.id)

        assert (after.head, after.updated_at) == (said.id, said.created_at)

    async def test_a_prompt_is_the_head_names_the_conversation_and_empties_the_draft(
        self, store: ConversationStore
    ) -> None:
        made = await self.saved(store, title="")
        await store.save_draft(made.id, "needle, typ")
        prompt = message("needle, typed")
        await store.add_prompt(made.id, prompt, title="Näme \ud800")
        after = await store.conversation(made.id)

        assert after == replace(made, title="Näme \ufffd", head=prompt.id, updated_at=prompt.created_at)
        assert await store.messages(made.id) == [prompt]
        assert await store.draft(made.id) == ""
        assert await self.titles(store, text="name") == ["Näme \ufffd"]
        assert [hit.message_id for hit in await store.search("needle")] == [prompt.id]

    async def test_a_prompt_leaves_a_title_as_it_is(self, store: ConversationStore) -> None:
        made = await self.saved(store, title="Mine")
        await store.add_prompt(made.id, message(), title="Another")

        assert (await store.conversation(made.id)).title == "Mine"

    async def test_a_prompt_that_cannot_be_saved_changes_nothing(self, store: ConversationStore) -> None:
        said = message()
        made = await self.saved(store, said, title="")
        await store.save_draft(made.id, "typed")

        with pytest.raises(BadInput):
            await store.add_prompt(made.id, said, title="Name")
        assert await store.conversation(made.id) == made
        assert await store.draft(made.id) == "typed"

    async def test_a_known_message_id_is_not_added_again(self, store: ConversationStore) -> None:
        said = message("first")
        made = await self.saved(store, said)

        with pytest.raises(BadInput):
            await store.add_message(made.id, replace(said, text="second"))
        assert await store.message(said.id) == said

    async def test_a_parent_of_another_conversation_is_not_found(self, store: ConversationStore) -> None:
        stranger = message()
        await self.saved(store, stranger)
        made = await self.saved(store)

        with pytest.raises(NotFound):
            await store.add_message(made.id, message("x", stranger))

    async def test_an_adopting_message_takes_children_and_leaves_the_head(self, store: ConversationStore) -> None:
        prompt, failed, queued = chain("prompt", "failed", "queued")
        made = await self.saved(store, prompt, failed, queued)
        again = message("again", prompt)
        await store.add_message(made.id, again, adopt=[queued.id])
        headers = await store.headers(made.id)

        assert (await store.conversation(made.id)).head == queued.id
        assert [(header.id, header.parent_id) for header in headers] == [
            (prompt.id, None),
            (failed.id, prompt.id),
            (again.id, prompt.id),
            (queued.id, again.id),
        ]
        assert [each.id for each in await store.messages(made.id)] == [header.id for header in headers]

    async def test_a_message_does_not_adopt_its_ancestor(self, store: ConversationStore) -> None:
        first, second = chain("1", "2")
        made = await self.saved(store, first, second)

        with pytest.raises(BadInput):
            await store.add_message(made.id, message("3", second), adopt=[first.id])
        assert len(await store.headers(made.id)) == 2

    # -- streaming ----------------------------------------------------------------------

    async def test_a_streaming_message_grows_and_ends(self, store: ConversationStore) -> None:
        prompt = message("question")
        reply = message("", prompt, status=Status.STREAMING)
        made = await self.saved(store, prompt, reply)
        await store.checkpoint(reply.id, Body("half needle", (Thinking("so"),)), reply.created_at + 5)
        (_, header) = await store.headers(made.id)
        half = await store.message(reply.id)
        found_early = await store.search("needle")
        ended = replace(
            reply,
            text="whole needle",
            parts=(Thinking("so it is"),),
            status=Status.COMPLETE,
            model=ModelRef("a", "b"),
            usage=Usage(1, 2, 0),
        )
        await store.finish_message(ended, reply.created_at + 9)

        assert (half.text, half.status) == ("half needle", Status.STREAMING)
        assert (header.status, header.characters, header.has_thinking) == (Status.STREAMING, 11, True)
        assert header.tokens == tokens.measure("half needle").tokens
        assert found_early == []
        assert await store.message(reply.id) == ended
        assert [hit.message_id for hit in await store.search("needle")] == [reply.id]
        assert (await store.conversation(made.id)).updated_at == reply.created_at

    async def test_a_message_finished_again_is_found_by_its_last_text_only(self, store: ConversationStore) -> None:
        said = message("first")
        await self.saved(store, said)
        await store.finish_message(replace(said, text="second"), 1)

        assert await store.search("first") == []
        assert len(await store.search("second")) == 1

    async def test_a_late_checkpoint_changes_nothing(self, store: ConversationStore) -> None:
        said = message("ended")
        await self.saved(store, said)
        await store.checkpoint(said.id, Body("late"), 1)

        assert await store.message(said.id) == said

    async def test_only_messages_without_sign_of_life_are_stopped(self, store: ConversationStore) -> None:
        prompt = message()
        dead = message("", prompt, status=Status.STREAMING, created_at=1000)
        alive = message("", prompt, status=Status.STREAMING, created_at=1000)
        await self.saved(store, prompt, dead, alive)
        await store.checkpoint(dead.id, Body("half needle"), 2000)
        await store.checkpoint(alive.id, Body("going on"), 9000)

        assert await store.stop_abandoned(5000) == 1
        assert await store.stop_abandoned(5000) == 0
        stopped = await store.message(dead.id)
        assert (stopped.text, stopped.status) == ("half needle", Status.STOPPED)
        assert stopped.error
        assert (await store.message(alive.id)).status is Status.STREAMING
        assert [hit.message_id for hit in await store.search("needle")] == [dead.id]

    # -- removing -----------------------------------------------------------------------

    async def test_children_of_a_removed_message_hang_on_its_nearest_ancestor(self, store: ConversationStore) -> None:
        first, second, third, fourth = chain("1", "2", "3", "4")
        made = await self.saved(store, first, second, third, fourth)
        await store.remove_messages(made.id, [second.id, third.id], Removal.DELETE, 1)
        headers = await store.headers(made.id)

        assert [(header.id, header.parent_id) for header in headers] == [(first.id, None), (fourth.id, first.id)]
        assert (await store.message(fourth.id)).parent_id == first.id
        assert [each.parent_id for each in await store.messages(made.id)] == [None, first.id]

    async def test_removed_messages_are_in_no_reading_and_no_search(self, store: ConversationStore) -> None:
        first, second = chain("needle one", "needle two")
        made = await self.saved(store, first, second)
        await store.remove_messages(made.id, [second.id], Removal.DELETE, 1)
        for call in (store.message(second.id), store.bodies([second.id]), store.set_head(made.id, second.id)):
            with pytest.raises(NotFound):
                await call

        assert [hit.message_id for hit in await store.search("needle")] == [first.id]
        assert (await store.conversation(made.id)).head == first.id

    async def test_a_removal_is_undone_with_its_head(self, store: ConversationStore) -> None:
        said = chain("needle", "b", "c")
        made = await self.saved(store, *said)
        before = await store.headers(made.id)
        removal = await store.remove_messages(made.id, None, Removal.CLEAR, 1)
        cleared = await store.conversation(made.id)
        during = await store.headers(made.id)
        after_clear = message("new start")
        await store.add_message(made.id, after_clear)
        await store.restore_removal(removal)

        assert (cleared.head, during) == (None, [])
        assert await store.conversation(made.id) == replace(made, updated_at=after_clear.created_at)
        assert (await store.headers(made.id))[:3] == before
        assert len(await store.search("needle")) == 1
        with pytest.raises(NotFound):
            await store.restore_removal(removal)

    async def test_removals_are_undone_each_by_itself(self, store: ConversationStore) -> None:
        first, second = chain("1", "2")
        made = await self.saved(store, first, second)
        one = await store.remove_messages(made.id, [second.id], Removal.DELETE, 1)
        rest = await store.remove_messages(made.id, None, Removal.CLEAR, 2)
        await store.restore_removal(rest)
        with_first = await self.ids(store, made.id)
        await store.restore_removal(one)

        assert with_first == [first.id]
        assert await self.ids(store, made.id) == [first.id, second.id]

    async def test_the_last_clear_is_the_newest_that_stands(self, store: ConversationStore) -> None:
        first, second = chain("1", "2")
        made = await self.saved(store, first, second)
        none_yet = await store.last_clear(made.id)
        await store.remove_messages(made.id, [second.id], Removal.DELETE, 1)
        older = await store.remove_messages(made.id, None, Removal.CLEAR, 2)
        await store.add_message(made.id, message())
        newer = await store.remove_messages(made.id, None, Removal.CLEAR, 3)

        assert none_yet is None
        assert await store.last_clear(made.id) == newer
        await store.restore_removal(newer)
        assert await store.last_clear(made.id) == older

    async def test_a_removal_with_an_unknown_message_removes_nothing(self, store: ConversationStore) -> None:
        first = message()
        made = await self.saved(store, first)

        with pytest.raises(NotFound):
            await store.remove_messages(made.id, [first.id, make_id()], Removal.DELETE, 1)
        assert await self.ids(store, made.id) == [first.id]

    async def test_purging_erases_what_is_old_and_keeps_what_hangs_on_it(self, store: ConversationStore) -> None:
        first, second, third = chain("needle", "2", "3")
        made = await self.saved(store, first, second, third)
        old = await store.remove_messages(made.id, [first.id, second.id], Removal.DELETE, 1000)
        young = await store.remove_messages(made.id, [third.id], Removal.DELETE, 3000)
        gone = await self.saved(store, *chain("a", "b"))
        await store.delete_conversations([gone.id], 1000)
        await store.purge(2000)
        with pytest.raises(NotFound):
            await store.restore_removal(old)
        with pytest.raises(NotFound):
            await store.undelete_conversation(gone.id)
        await store.restore_removal(young)
        headers = await store.headers(made.id)

        assert [(header.id, header.parent_id) for header in headers] == [(third.id, None)]
        assert (await store.conversation(made.id)).head == third.id
        assert await store.check_integrity() == "ok"

    async def test_what_hangs_on_a_purged_message_hangs_on_its_ancestor(self, store: ConversationStore) -> None:
        first, second, third = chain("1", "2", "3")
        made = await self.saved(store, first, second, third)
        await store.remove_messages(made.id, [second.id], Removal.DELETE, 1000)
        await store.purge(2000)

        assert [(each.id, each.parent_id) for each in await store.headers(made.id)] == [
            (first.id, None),
            (third.id, first.id),
        ]

    async def test_a_history_is_whole_after_searching_and_purging(self, store: ConversationStore) -> None:
        said = chain("needle one", "needle two", "needle three")
        made = await self.saved(store, *said)
        await store.search("needle")
        await store.remove_messages(made.id, [said[0].id, said[1].id], Removal.DELETE, 1)
        await store.purge(2)

        assert await store.check_integrity() == "ok"

    # -- summaries --------------------------------------------------------------------------

    async def test_summaries_come_back_whole_and_newest_first(self, store: ConversationStore) -> None:
        said = chain("1", "2", "3")
        made = await self.saved(store, *said)
        other = await self.saved(store)
        first = summary(*said[:2], model="o'\"\0", edited=True, pieces=3, prompt_version=2)
        second = summary(*said, text="")
        await store.keep_summary(made.id, second)
        await store.keep_summary(made.id, first)

        assert [second, first] == await store.summaries(made.id)
        assert [] == await store.summaries(other.id)

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_every_summary_comes_back_exactly(self, store: ConversationStore, text: str) -> None:
        said = message()
        made = await self.saved(store, said)
        kept = summary(said, text=text)
        await store.keep_summary(made.id, kept)

        assert [kept] == await store.summaries(made.id)
        assert [] == await store.search("said")

    async def test_a_summary_of_the_same_id_is_replaced(self, store: ConversationStore) -> None:
        said = chain("1", "2")
        made = await self.saved(store, *said)
        kept = summary(*said)
        edited = replace(kept, text="corrected", sources=kept.sources[:1], edited=True)
        await store.keep_summary(made.id, kept)
        await store.keep_summary(made.id, edited)

        assert [edited] == await store.summaries(made.id)

    @pytest.mark.parametrize("kind", Removal)
    async def test_a_summary_that_lost_a_source_never_comes_back(self, store: ConversationStore, kind: Removal) -> None:
        said = chain("1", "2", "3")
        made = await self.saved(store, *said)
        lost, left = summary(*said), summary(said[2])
        await store.keep_summary(made.id, lost)
        await store.keep_summary(made.id, left)
        removal = await store.remove_messages(made.id, [said[0].id, said[1].id], kind, 1)
        during = await store.summaries(made.id)
        await store.restore_removal(removal)

        assert [left] == during
        assert [left] == await store.summaries(made.id)

    async def test_clearing_leaves_no_summary(self, store: ConversationStore) -> None:
        said, elsewhere = message(), message()
        made, other = await self.saved(store, said), await self.saved(store, elsewhere)
        kept = summary(elsewhere)
        await store.keep_summary(made.id, summary(said))
        await store.keep_summary(other.id, kept)
        await store.remove_messages(made.id, None, Removal.CLEAR, 1)

        assert [] == await store.summaries(made.id)
        assert [kept] == await store.summaries(other.id)

    async def test_only_what_is_still_said_there_is_summarised(self, store: ConversationStore) -> None:
        said, removed, elsewhere = message("1"), message("2"), message("3")
        made = await self.saved(store, said, removed)
        await self.saved(store, elsewhere)
        kept = summary(said)
        await store.keep_summary(made.id, kept)
        await store.remove_messages(made.id, [removed.id], Removal.DELETE, 1)
        for gone in (removed, elsewhere, message()):
            with pytest.raises(NotFound):
                await store.keep_summary(made.id, replace(summary(said, gone), id=kept.id))

        assert [kept] == await store.summaries(made.id)

    async def test_summaries_are_hidden_with_their_conversation_and_erased_with_it(
        self, store: ConversationStore
    ) -> None:
        said = message()
        made = await self.saved(store, said)
        kept = summary(said)
        await store.keep_summary(made.id, kept)
        await store.delete_conversations([made.id], 1)
        with pytest.raises(NotFound):
            await store.summaries(made.id)
        await store.undelete_conversation(made.id)
        back = await store.summaries(made.id)
        await store.erase_conversations([made.id])
        await store.import_conversations([(made, [said])])

        assert [kept] == back
        assert [] == await store.summaries(made.id)
        assert "ok" == await store.check_integrity()

    async def test_a_dropped_summary_is_gone(self, store: ConversationStore) -> None:
        said = message()
        made = await self.saved(store, said)
        dropped, left = summary(said), summary(said)
        await store.keep_summary(made.id, dropped)
        await store.keep_summary(made.id, left)
        await store.drop_summary(dropped.id)

        assert [left] == await store.summaries(made.id)
        with pytest.raises(NotFound):
            await store.drop_summary(dropped.id)

    # -- spending ---------------------------------------------------------------------------

    async def test_spendings_are_summed_from_an_instant_on_and_by_conversation(self, store: ConversationStore) -> None:
        made, other = await self.saved(store), await self.saved(store)
        at_first = await store.spent()
        first = spending(made.id, cached_tokens=5)
        second = spending(other.id, usd=None, estimated=True, model="o'\0\ud800")
        for each in (first, second, spending(made.id, input_tokens=0, output_tokens=1, usd=0.0)):
            await store.add_spending(each)

        assert Spent() == at_first
        assert Spent(tokens=61, usd=0.5, unpriced=1) == await store.spent()
        assert Spent(tokens=31, usd=0.0, unpriced=1) == await store.spent(since=second.at)
        assert Spent(tokens=1) == await store.spent(since=second.at + 1)
        assert Spent(tokens=31, usd=0.5) == await store.spent(conversation_id=made.id)
        assert Spent(tokens=1) == await store.spent(conversation_id=made.id, since=first.at + 1)

    async def test_the_price_of_a_single_token_is_not_lost(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        for _ in range(10):
            await store.add_spending(spending(made.id, usd=1e-8))

        assert pytest.approx(1e-7) == (await store.spent()).usd

    async def test_spendings_outlive_their_conversation_and_know_nothing_of_it(self, store: ConversationStore) -> None:
        made = await self.saved(store, message())
        await store.add_spending(spending(made.id))
        await store.delete_conversations([made.id], 1)
        deleted = await store.spent(conversation_id=made.id)
        await store.erase_conversations([made.id])
        await store.add_spending(spending(made.id))  # a request that was under way
        erased = await store.spent(conversation_id=made.id)
        await store.add_conversation(replace(made, head=None))

        assert (Spent(tokens=30, usd=0.5), Spent()) == (deleted, erased)
        assert Spent() == await store.spent(conversation_id=made.id)
        assert Spent(tokens=60, usd=1.0) == await store.spent()
        assert "ok" == await store.check_integrity()

    # -- attachments -----------------------------------------------------------------------

    async def test_attachments_come_back_with_their_data_where_a_message_is_read_whole(
        self, store: ConversationStore
    ) -> None:
        sizes = (0, 1, 262_143, 262_144, 262_145, 1_000_000)
        files = [attached(bytes(range(256)) * (size // 256) + b"x" * (size % 256), name=str(size)) for size in sizes]
        said = message(parts=(*files[:2], Thinking("between"), *files[2:]))
        made = await self.saved(store, said)

        assert said == await store.message(said.id)
        assert [said] == await store.messages(made.id)
        assert {file.sha256: file.data for file in files} == await store.contents([file.sha256 for file in files])
        assert {} == await store.contents([])

    async def test_a_body_says_what_is_attached_and_holds_no_data(self, store: ConversationStore) -> None:
        files = (picture(name="näme \0.png"), attached("text", "text/x-odd; a=b"), attached(""))
        said = message("look", parts=files)
        await self.saved(store, said)
        body = (await store.bodies([said.id]))[said.id]

        assert Body("look", tuple(file.unloaded() for file in files)) == body
        assert [len(file.data) for file in files] == [file.size for file in body.parts if isinstance(file, Attachment)]

    async def test_a_header_counts_what_is_attached_by_what_is_sent_of_it(self, store: ConversationStore) -> None:
        files = (picture(1000, 500), attached("text"), attached(b"%PDF-1.7", "application/pdf"), picture())
        asked = message("look", parts=files)
        answered = message("looked", asked, parts=files)
        made = await self.saved(store, asked, answered)
        headers = await store.headers(made.id)

        assert [header_of(asked), header_of(answered)] == headers
        assert [(4, 2, 648 + 258, 1), (4, 0, 0, 3)] == [
            (each.attachments, each.images, each.image_tokens, each.other_files) for each in headers
        ]

    async def test_the_same_content_may_go_with_many_messages_under_many_names(self, store: ConversationStore) -> None:
        twice = (attached("the same", name="a"), attached("the same", "text/html", "b"), attached("the same", name="a"))
        first, second = message(parts=twice), message(parts=twice[:1])
        made = await self.saved(store, first, second)
        await store.remove_messages(made.id, [first.id], Removal.DELETE, 1)
        await store.purge(2)

        assert [second] == await store.messages(made.id)
        assert {twice[0].sha256: b"the same"} == await store.contents([twice[0].sha256])

    @pytest.mark.parametrize("end", ["delete", "clear", "conversation"])
    async def test_what_is_attached_comes_and_goes_with_its_message(self, store: ConversationStore, end: str) -> None:
        file = attached("content")
        said = message(parts=(file,))
        made = await self.saved(store, said)
        removal = ""
        match end:
            case "delete":
                removal = await store.remove_messages(made.id, [said.id], Removal.DELETE, 1)
            case "clear":
                removal = await store.remove_messages(made.id, None, Removal.CLEAR, 1)
            case "conversation":
                await store.delete_conversations([made.id], 1)
        with pytest.raises(NotFound):
            await store.contents([file.sha256])
        await (store.restore_removal(removal) if removal else store.undelete_conversation(made.id))

        assert [said] == await store.messages(made.id)
        assert {file.sha256: b"content"} == await store.contents([file.sha256])

    async def test_what_is_attached_changes_with_the_message(self, store: ConversationStore) -> None:
        before, kept, after = attached("before"), attached("kept"), attached("after")
        arriving = message("", status=Status.STREAMING, parts=(before, kept))
        made = await self.saved(store, arriving)
        await store.checkpoint(arriving.id, Body("half", (before, kept)), arriving.created_at)
        ended = replace(arriving, text="whole", status=Status.COMPLETE, parts=(kept.unloaded(), after))
        await store.finish_message(ended, arriving.created_at)

        assert [replace(ended, parts=(kept, after))] == await store.messages(made.id)
        assert [header_of(replace(ended, parts=(kept, after)))] == await store.headers(made.id)
        with pytest.raises(NotFound):
            await store.contents([before.sha256])

    async def test_a_file_that_the_history_has_need_not_be_loaded(self, store: ConversationStore) -> None:
        file = picture()
        said = message(parts=(file,))
        made = await self.saved(store, said)
        again = message("in other words", parts=(replace(file, name="renamed").unloaded(),))
        await store.add_message(made.id, again)

        assert replace(again, parts=(replace(file, name="renamed"),)) == await store.message(again.id)
        assert 1 == (await store.headers(made.id))[-1].images

    @pytest.mark.parametrize(
        "file", [attached("unknown").unloaded(), replace(attached("other"), data=b"OTHER")], ids=["unknown", "forged"]
    )
    async def test_what_is_not_what_it_says_is_refused_and_nothing_is_kept(
        self, store: ConversationStore, file: Attachment
    ) -> None:
        good = attached("good")
        made = await self.saved(store)
        await store.save_draft_attachments(made.id, [picture()])

        for call in (
            store.add_message(made.id, message(parts=(good, file))),
            store.add_prompt(made.id, message(parts=(good, file)), title=""),
            store.import_conversations([(conversation(), [message(parts=(good, file))])]),
            store.save_draft_attachments(made.id, [good, file]),
        ):
            with pytest.raises(BadInput):
                await call
        assert [] == await store.messages(made.id)
        assert [picture()] == await store.draft_attachments(made.id)
        with pytest.raises(NotFound):
            await store.contents([good.sha256])

    async def test_a_draft_keeps_its_files_in_order_until_others_take_their_place(
        self, store: ConversationStore
    ) -> None:
        one, two, three = attached("1", name="näme"), picture(), attached("3", "application/pdf")
        made = await self.saved(store)
        at_first = await store.draft_attachments(made.id)
        await store.save_draft_attachments(made.id, [one, two, one])
        kept = await store.draft_attachments(made.id)
        await store.save_draft_attachments(made.id, [three, two.unloaded()])
        changed = await store.draft_attachments(made.id)
        await store.save_draft_attachments(made.id, [])

        assert ([], [one, two, one], [three, two]) == (at_first, kept, changed)
        assert [] == await store.draft_attachments(made.id)
        with pytest.raises(NotFound):
            await store.contents([two.sha256])

    async def test_a_prompt_takes_the_drafts_files_with_it(self, store: ConversationStore) -> None:
        sent, left = attached("sent"), attached("left out")
        made = await self.saved(store)
        await store.save_draft(made.id, "typed")
        await store.save_draft_attachments(made.id, [sent, left])
        prompt = message("typed", parts=(sent.unloaded(),))
        await store.add_prompt(made.id, prompt, title="")

        assert [replace(prompt, parts=(sent,))] == await store.messages(made.id)
        assert ("", []) == (await store.draft(made.id), await store.draft_attachments(made.id))
        with pytest.raises(NotFound):
            await store.contents([left.sha256])

    async def test_a_prompt_from_elsewhere_leaves_the_draft_and_its_files(self, store: ConversationStore) -> None:
        waits, sent = attached("waits"), attached("sent")
        made = await self.saved(store)
        await store.save_draft(made.id, "typed")
        await store.save_draft_attachments(made.id, [waits])
        await store.add_prompt(made.id, message("asked", parts=(sent,)), title="", keep_draft=True)

        assert ("typed", [waits]) == (await store.draft(made.id), await store.draft_attachments(made.id))

    async def test_a_prompt_that_cannot_be_saved_leaves_the_drafts_files(self, store: ConversationStore) -> None:
        said = message(parts=(attached("sent"),))
        made = await self.saved(store, said)
        await store.save_draft_attachments(made.id, [picture()])

        with pytest.raises(BadInput):
            await store.add_prompt(made.id, said, title="")
        assert [picture()] == await store.draft_attachments(made.id)

    # -- drafts, values, secrets -----------------------------------------------------------

    async def test_a_draft_is_kept_and_taken_away(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        at_first = await store.draft(made.id)
        await store.save_draft(made.id, "one")
        await store.save_draft(made.id, "two")
        kept = await store.draft(made.id)
        await store.save_draft(made.id, "")

        assert (at_first, kept, await store.draft(made.id)) == ("", "two", "")
        assert await store.conversation(made.id) == made

    async def test_values_and_secrets_are_apart(self, store: ConversationStore) -> None:
        await store.set_value("name", '{"a": 1}')
        await store.set_value("name", "2")
        await store.set_secret("name", Secret("sk-1"))
        await store.set_secret("name", Secret(b"sk-2\xff\0"))

        assert await store.value("name") == "2"
        assert await store.value("other") is None
        assert await store.secret("name") == Secret(b"sk-2\xff\0")
        await store.set_secret("name", None)
        assert await store.secret("name") is None

    # -- search -------------------------------------------------------------------------

    async def test_search_finds_titles_first_then_messages_newest_first(self, store: ConversationStore) -> None:
        old, new = chain("the needle of old", "a needle, newly")
        made = await self.saved(store, old, new, title="Haystack")
        named = await self.saved(store, title="Needle work")
        hits = await store.search("NEEDLE")

        assert [(hit.conversation_id, hit.message_id) for hit in hits] == [
            (named.id, None),
            (made.id, new.id),
            (made.id, old.id),
        ]
        assert hits[1].title == "Haystack"
        assert hits[1].role == new.role
        assert hits[1].created_at == new.created_at
        assert hits[1].snippet == "a needle, newly"
        assert (hits[0].role, hits[0].created_at) == (None, None)

    async def test_all_words_must_occur(self, store: ConversationStore) -> None:
        await self.saved(store, message("red green"), message("red blue"))

        assert len(await store.search("red")) == 2
        assert len(await store.search("blue red")) == 1
        assert await store.search("green blue") == []

    async def test_search_keeps_its_limit(self, store: ConversationStore) -> None:
        await self.saved(store, *chain("word", "word", "word"), title="word")

        assert len(await store.search("word", limit=2)) == 2
        assert await store.search("word", limit=0) == []

    @pytest.mark.parametrize(
        "query", ["", " ", '"', "'", "a OR", "(", "*", "NEAR(", "x:y", "-", "\0", "^", "🧁", "\ud800"]
    )
    async def test_any_text_is_a_valid_query(self, store: ConversationStore, query: str) -> None:
        await self.saved(store, message("something"))

        assert await store.search(query) == []

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("Größe und Übermut", "grosse ubermut"),
            ("我喜欢日本語です", "日本"),
            ("안녕하세요", "하세"),
            ("a\0needle", "needle"),
        ],
    )
    async def test_search_speaks_other_scripts(self, store: ConversationStore, text: str, query: str) -> None:
        await self.saved(store, message(text))

        assert len(await store.search(query)) == (0 if "grosse" in query else 1)  # ß is not folded

    # -- ranking ----------------------------------------------------------------------------

    async def ranked(self, store: ConversationStore, *terms: str, without: Sequence[str] = ()) -> list[str]:
        return [hit.id for hit in await store.ranked(terms, without=without)]

    async def test_the_message_that_says_most_of_what_is_asked_for_is_ranked_first(
        self, store: ConversationStore
    ) -> None:
        one, both, rare = message("the harbour of oslo"), message("a harbour, a bowline"), message("bowline")
        others = [message(f"something of kind {number}") for number in range(6)]
        await self.saved(store, one, both, *others, rare, message("the harbour"))
        hits = await store.ranked(["Bowline", "harbour"], without=[])

        assert both.id == hits[0].id
        assert {hit.id for hit in hits} > {one.id, both.id, rare.id}
        assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
        assert all(hit.score > 0 for hit in hits)

    async def test_a_hit_says_what_a_quotation_needs(self, store: ConversationStore) -> None:
        call = ToolCall("1", "look", '{"at": "the whole of a long list of things"}')
        said = message("needle,\nand thread\n", role=Role.ASSISTANT, parts=(call,))
        asked = message("needle")
        await self.saved(store, said, title="Sewing 日本")
        await self.saved(store, asked, title="")
        hits = {hit.id: hit for hit in await store.ranked(["needle"], without=[])}
        hit = hits[said.id]

        assert (Role.ASSISTANT, said.created_at, "Sewing 日本") == (hit.role, hit.created_at, hit.conversation)
        assert (tokens.measure(said.text).tokens, 3) == (hit.tokens, hit.lines)
        assert (Role.USER, "") == (hits[asked.id].role, hits[asked.id].conversation)
        assert (tokens.measure(asked.text).tokens, 1) == (hits[asked.id].tokens, hits[asked.id].lines)

    async def test_twins_are_the_messages_that_say_the_same(self, store: ConversationStore) -> None:
        await self.saved(store, message("needle one", id="a"), message("needle two", id="b"))
        await self.saved(store, message("needle one", id="c"), message("Needle one", id="d"))
        twins = {hit.id: hit.twin for hit in await store.ranked(["needle"], without=[])}

        assert twins["a"] == twins["c"]
        assert 3 == len(set(twins.values()))
        assert all(-(2**63) <= twin < 2**64 for twin in twins.values())

    async def test_ranking_sees_what_search_sees_of_the_other_conversations(self, store: ConversationStore) -> None:
        here, stopped = message("needle here"), message("needle half", status=Status.STOPPED)
        failed = message("needle cut", status=Status.FAILED, error="needle")
        made = await self.saved(store, here)
        archived = await self.saved(store, stopped, failed, archived=True)
        hidden = chain("needle removed", "needle excluded", "needle arriving")
        hidden[1] = replace(hidden[1], excluded=True)
        hidden[2] = replace(hidden[2], status=Status.STREAMING)
        await self.saved(store, *hidden, message("", status=Status.FAILED, error="needle"))
        await store.remove_messages((await store.find("A title"))[0].id, [hidden[0].id], Removal.DELETE, 1)
        deleted = await self.saved(store, message("needle deleted"), title="Gone")
        await store.delete_conversations([deleted.id], 1)

        assert {stopped.id, failed.id} == set(await self.ranked(store, "needle", without=[made.id]))
        assert [here.id] == await self.ranked(store, "needle", without=[archived.id])

    async def test_ranking_keeps_its_limit(self, store: ConversationStore) -> None:
        most, *_ = said = chain("word word word", "word and others", "word and others still")
        await self.saved(store, *said)

        assert [most.id] == [hit.id for hit in await store.ranked(["word"], without=[], limit=1)]
        assert [] == await store.ranked(["word"], without=[], limit=0)

    async def test_equal_hits_come_newer_first(self, store: ConversationStore) -> None:
        said = chain("word", "word", "word")
        await self.saved(store, *said)

        assert [each.id for each in reversed(said)] == await self.ranked(store, "word")

    @pytest.mark.parametrize(
        "terms",
        [(), ("",), (" ", '"'), ("'", "("), ("*",), ("NEAR(",), ("x:y", "-"), ("\0", "^"), ("🧁", "\ud800"), ("a OR",)],
    )
    async def test_any_text_is_a_valid_term(self, store: ConversationStore, terms: Sequence[str]) -> None:
        await self.saved(store, message("something"))

        assert [] == await self.ranked(store, *terms)
        assert 1 == len(await self.ranked(store, *terms, "something"))

    @pytest.mark.parametrize(
        ("text", "term"),
        [
            ("Größe und Übermut", "ubermut"),
            ("我喜欢日本語です", "日本"),
            ("我喜欢日本語です", "語"),
            ("안녕하세요", "하세"),
        ],
    )
    async def test_ranking_speaks_other_scripts(self, store: ConversationStore, text: str, term: str) -> None:
        await self.saved(store, message(text), message("something"))

        assert 1 == len(await self.ranked(store, term, "nothing"))

    async def test_a_term_of_two_words_is_both_of_them(self, store: ConversationStore) -> None:
        both = message("red and green")
        await self.saved(store, message("red"), both, message("green"))

        assert [both.id] == await self.ranked(store, "green red")

    # -- import -------------------------------------------------------------------------

    async def test_an_import_keeps_every_field(self, store: ConversationStore) -> None:
        first, second = message("a"), full_message()
        sibling = message("sibling", first)
        tree = [first, replace(second, parent_id=first.id), sibling]
        given = conversation("Imported", tags=("x",), pinned=True, system_prompt="s", head=second.id)
        count_ = await store.import_conversations([(given, tree)])

        assert count_ == ImportCount(conversations=1, messages=3, unchanged=0)
        assert await store.conversation(given.id) == given
        assert await store.messages(given.id) == tree
        assert len(await store.search("sibling")) == 1

    async def test_an_import_leaves_known_conversations_alone(self, store: ConversationStore) -> None:
        made = await self.saved(store, message())
        gone = await self.saved(store, message())
        await store.delete_conversations([gone.id], 1)
        given: Sequence[tuple[Conversation, Sequence[Message]]] = [
            (replace(made, title="Changed", head=None), [message()]),
            (replace(gone, title="Changed", head=None), []),
        ]

        assert await store.import_conversations(given) == ImportCount(0, 0, 2)
        assert await store.conversation(made.id) == made

    async def test_a_rehearsed_import_writes_nothing(self, store: ConversationStore) -> None:
        given = conversation()

        assert await store.import_conversations([(given, [message()])], dry_run=True) == ImportCount(1, 1, 0)
        with pytest.raises(NotFound):
            await store.conversation(given.id)

    async def test_an_import_is_all_or_nothing(self, store: ConversationStore) -> None:
        known = message("known")
        await self.saved(store, known)
        good = conversation("Good")
        for tree in (
            [replace(known, text="stolen")],
            [message("orphan", parent_id=make_id())],
            list(reversed(chain("parent", "child"))),
        ):
            with pytest.raises(BadInput):
                await store.import_conversations([(good, [message()]), (conversation(), tree)])
        with pytest.raises(BadInput):
            await store.import_conversations([(good, [message()]), (conversation(head=make_id()), [])])

        assert await self.titles(store, text="Good") == []
        assert (await store.message(known.id)).text == "known"

    async def test_an_imported_streaming_message_reads_stopped(self, store: ConversationStore) -> None:
        said = message("half", status=Status.STREAMING)
        await store.import_conversations([(conversation(), [said])])

        assert (await store.message(said.id)).status is Status.STOPPED

    # -- order and cancelling --------------------------------------------------------------

    async def test_calls_keep_their_order(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        writes = [store.save_draft(made.id, str(number)) for number in range(30)]
        *_, seen = await asyncio.gather(*writes, store.draft(made.id))

        assert seen == "29"

    async def test_a_cancelled_write_still_happens_whole(self, store: ConversationStore) -> None:
        made = await self.saved(store)
        said = message("kept")
        task = asyncio.create_task(store.add_message(made.id, said))
        await asyncio.sleep(0)  # it has been called
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await store.message(said.id) == said
        assert (await store.conversation(made.id)).head == said.id

    async def test_a_history_is_whole_when_it_says_so(self, store: ConversationStore) -> None:
        await self.saved(store, *chain("a", "b"))

        assert await store.check_integrity() == "ok"

    async def test_closing_twice_is_fine(self, store: ConversationStore) -> None:
        await store.close()
        await store.close()
