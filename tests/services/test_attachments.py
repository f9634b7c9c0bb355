"""Files in turns: saved with their prompt, sent as the plan says, kept when a prompt is asked anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.attached import attached, picture
from tests.contracts.store import conversation, message
from tests.fakes import ScriptedProvider, answer
from tests.services.conftest import MODEL, Bench, MakeBench, Watcher
from tui_chat.core.context import PayloadMessage
from tui_chat.core.errors import BadInput
from tui_chat.core.events import Delta, Finished, TextDelta, TurnEnded, UsageReported
from tui_chat.core.models import Attachment, Role, Usage
from tui_chat.core.ports import ModelCard
from tui_chat.services.options import Options

TEXT, IMAGE, PDF = attached("some text\n"), picture(), attached(b"%PDF-1.7", "application/pdf")
BLOCK = "[Attached file: notes.txt]\n```\nsome text\n```"


async def begun(bench: Bench, **fields: object) -> str:
    made = conversation("", **fields)
    await bench.store.add_conversation(made)
    return made.id


async def test_a_prompts_files_are_saved_with_it_and_sent_with_it(bench: MakeBench) -> None:
    provider = ScriptedProvider()
    made = bench(provider)
    home = await begun(made)
    await made.store.save_draft_attachments(home, [TEXT, IMAGE, PDF])

    await made.chat.send(home, "Look.", Watcher(), parts=(TEXT, IMAGE, PDF))
    await made.chat.send(home, "And now?", Watcher())

    assert (TEXT, IMAGE, PDF) == (await made.library.branch(home))[0].parts
    assert [] == await made.store.draft_attachments(home)
    asked = PayloadMessage(Role.USER, f"Look.\n\n{BLOCK}", images=(IMAGE,))
    assert [(asked,), (asked, PayloadMessage(Role.ASSISTANT, "reply 1"), PayloadMessage(Role.USER, "And now?"))] == [
        plan.payload for plan in provider.sent
    ]
    assert ["attachment_unsupported"] * 2 == [plan.warnings[0].code for plan in provider.sent]


@pytest.mark.parametrize(("takes_images", "sent"), [(True, (IMAGE,)), (None, (IMAGE,)), (False, ())])
async def test_images_are_sent_unless_the_server_says_that_its_model_takes_none(
    bench: MakeBench, takes_images: bool | None, sent: Sequence[Any]
) -> None:
    provider = ScriptedProvider()
    provider.cards = (ModelCard(MODEL.name, 8192, takes_images=takes_images),)
    made = bench(provider)
    home = await begun(made)

    await made.chat.send(home, "Look.", Watcher(), parts=(IMAGE,))

    assert sent == provider.sent[0].payload[0].images
    assert (not sent) == bool(provider.sent[0].warnings)


async def test_a_file_alone_is_a_prompt_and_names_its_conversation(bench: MakeBench) -> None:
    made = bench(ScriptedProvider())
    home = await begun(made)

    await made.chat.send(home, "", Watcher(), parts=(TEXT,))

    assert "notes.txt" == (await made.store.conversation(home)).title
    with pytest.raises(BadInput):
        await made.chat.send(home, " ", Watcher())


@pytest.mark.parametrize("file", [PDF, IMAGE])
async def test_a_prompt_of_which_no_file_can_be_sent_says_so_and_not_that_it_is_too_long(
    bench: MakeBench, file: Attachment
) -> None:
    provider = ScriptedProvider()
    provider.cards = (ModelCard(MODEL.name, takes_images=False),)
    made = bench(provider)
    home, watcher = await begun(made), Watcher()

    await made.chat.send(home, "", watcher, parts=(file,))

    (ended,) = watcher.all(TurnEnded)
    assert isinstance(ended, TurnEnded)
    assert isinstance(ended.error, BadInput)
    assert "files" in ended.error.sentence
    assert "takes images" in ended.error.hint
    assert [] == provider.sent


async def test_a_prompt_asked_in_other_words_keeps_its_files(bench: MakeBench) -> None:
    provider = ScriptedProvider()
    made = bench(provider)
    home = await begun(made)
    await made.chat.send(home, "Look.", Watcher(), parts=(TEXT, IMAGE))
    prompt = (await made.library.branch(home))[0]

    await made.chat.edit(home, prompt.id, "Read.", Watcher())

    assert PayloadMessage(Role.USER, f"Read.\n\n{BLOCK}", images=(IMAGE,)) == provider.sent[-1].payload[0]


async def test_a_plan_of_a_draft_counts_and_holds_its_files(bench: MakeBench) -> None:
    made = bench(ScriptedProvider())
    home = await begun(made)

    bare = await made.planning.plan(home, "Look.")
    plan = await made.planning.plan(home, "Look.", Options(attachments=(TEXT, IMAGE)))

    assert (PayloadMessage(Role.USER, f"Look.\n\n{BLOCK}", images=(IMAGE,)),) == plan.payload
    assert plan.totals.tokens > bare.totals.tokens + 258
    assert [] == await made.store.messages(home)


async def test_a_request_with_images_teaches_nothing_of_texts_and_looks_like_no_cut(bench: MakeBench) -> None:
    script: list[Delta] = [TextDelta("Black."), UsageReported(Usage(90, 2)), Finished("stop")]
    made = bench(ScriptedProvider(script, script))
    home, watcher = await begun(made), Watcher()

    await made.chat.send(home, "Look.", watcher, parts=(picture(900, 900),))

    assert watcher.reply.error is None
    assert (await made.planning.basis(await made.store.conversation(home))).known.last is None


async def test_a_summary_is_made_of_text_files_too(scripted: Callable[..., Bench]) -> None:
    made = scripted(answer("A summary."))
    home = await begun(made)
    asked = message("Look.", parts=(TEXT, IMAGE))
    said = [asked, message("Seen.", asked)]
    for each in said:
        await made.store.add_message(home, each)

    texts = await made.summaries._texts_of(await made.store.headers(home))

    assert (TEXT, IMAGE.unloaded()) == texts[asked.id].parts
    assert replace(asked, parts=(TEXT, IMAGE)) == await made.store.message(asked.id)
