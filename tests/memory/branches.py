"""Branches to plan on: chats spelled in one line, and any branch at all for properties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from tests.attached import attached, picture
from tui_chat.core.attachments import image_of
from tui_chat.core.models import Attachment, MessageHeader, Role, Status, ToolCall, ToolResult
from tui_chat.core.ports import Body
from tui_chat.core.recall import Hit
from tui_chat.core.summary import Source, Summary
from tui_chat.memory import Request
from tui_chat.memory.composition import Setting

Branch = list[MessageHeader]
Scene = tuple[Branch, Request]

ROLES = {"u": Role.USER, "a": Role.ASSISTANT, "s": Role.SYSTEM}

TEXT, IMAGE, PDF = attached("some text\n"), picture(), attached(b"%PDF-1.7", "application/pdf", "a.pdf")
IMAGE_TOKENS = image.tokens if (image := image_of(IMAGE)) else 0


def header(
    index: int,
    role: Role,
    *,
    tokens: int = 6,
    status: Status = Status.COMPLETE,
    has_text: bool = True,
    letters: int = 20,
    other_letters: int = 0,
    pinned: bool = False,
    excluded: bool = False,
) -> MessageHeader:
    """Message ``m<index>`` of a branch, written in its ``index``-th second."""
    return MessageHeader(
        id=f"m{index}",
        parent_id=f"m{index - 1}" if index else None,
        role=role,
        status=status,
        created_at=index * 1000,
        model_name=None,
        error=None,
        characters=30 if has_text else 0,
        lines=1,
        tokens=tokens if has_text else 0,
        letters=letters if has_text else 0,
        other_letters=other_letters if has_text else 0,
        has_thinking=False,
        pinned=pinned,
        excluded=excluded,
    )


def chat(spelled: str, *, tokens: int = 6, pinned: Iterable[int] = (), excluded: Iterable[int] = ()) -> Branch:
    """``ua u- u_``: a turn, one whose answer failed without a text, one whose answer is just empty.

    ``t`` is a tool's result, to a call that the last answer before it makes; ``c`` an answer with a call
    that nothing answers, ``o`` a result that nothing asked for. Prompts without words: ``f`` of a text
    file, ``i`` of an image, ``p`` of a PDF.
    """
    branch: Branch = []
    for index, letter in enumerate(spelled.replace(" ", "")):
        if letter == "t":
            caller = max(place for place, each in enumerate(branch) if each.role is Role.ASSISTANT)
            branch[caller] = branch[caller]._replace(calls=(*branch[caller].calls, f"c{index}"))
            branch.append(header(index, Role.TOOL, tokens=tokens)._replace(answers=(f"c{index}",)))
        elif letter == "c":
            branch.append(header(index, Role.ASSISTANT, tokens=tokens)._replace(calls=(f"c{index}",)))
        elif letter == "o":
            branch.append(header(index, Role.TOOL, tokens=tokens)._replace(answers=(f"c{index}",)))
        elif letter == "p":
            branch.append(with_files(header(index, Role.USER, has_text=False), others=1))
        elif letter == "i":
            branch.append(with_files(header(index, Role.USER, has_text=False), images=1))
        elif letter == "f":
            branch.append(with_files(header(index, Role.USER, tokens=tokens), texts=1)._replace(characters=0))
        elif letter in ROLES:
            branch.append(header(index, ROLES[letter], tokens=tokens))
        else:
            status = Status.FAILED if letter == "-" else Status.STOPPED
            branch.append(header(index, Role.ASSISTANT, status=status, has_text=False))
    return marked(branch, pinned=pinned, excluded=excluded)


def with_files(header: MessageHeader, *, texts: int = 0, images: int = 0, others: int = 0) -> MessageHeader:
    """The header of a message with that many files."""
    return header._replace(
        attachments=texts + images + others, images=images, image_tokens=images * IMAGE_TOKENS, other_files=others
    )


def files_of(header: MessageHeader) -> tuple[Attachment, ...]:
    """As many files of each kind as the header says."""
    texts = header.attachments - header.images - header.other_files
    return (*[TEXT] * texts, *[IMAGE] * header.images, *[PDF] * header.other_files)


def marked(branch: Branch, *, pinned: Iterable[int] = (), excluded: Iterable[int] = ()) -> Branch:
    """The branch with these messages marked as well."""
    branch = [*branch]
    for index in pinned:
        branch[index] = branch[index]._replace(pinned=True)
    for index in excluded:
        branch[index] = branch[index]._replace(excluded=True)
    return branch


def bodies_of(branch: Iterable[MessageHeader], ids: Iterable[str]) -> dict[str, Body]:
    """What stands in the history for these messages: ``text of m3``, ``result of c2``, files without their contents."""
    wanted = set(ids)
    bodies = {}
    for message in branch:
        if message.id in wanted:
            calls = [ToolCall(id, "look", '{"at":"it"}') for id in message.calls]
            results = [ToolResult(id, f"result of {id}") for id in message.answers]
            text = f"text of {message.id}" if message.characters else ""
            files = [each.unloaded() for each in files_of(message)]
            bodies[message.id] = Body(text, parts=(*calls, *results, *files))
    return bodies


CONTENTS = {each.sha256: each.data for each in (TEXT, IMAGE, PDF)}
"""Of the files in ``bodies_of``."""

CALLS = st.sampled_from([0, 0, 0, 1, 2])


def without_files(branch: Branch) -> Branch:
    """The branch as if nothing was attached to any message."""
    return [header._replace(attachments=0, images=0, image_tokens=0, other_files=0) for header in branch]


@st.composite
def branches(draw: st.DrawFn, *, max_size: int = 16, marks: bool = True) -> Branch:
    """Any branch: broken turns, greetings, empty and failed messages, all sizes and scripts, pins and exclusions.

    With calls and results in any order, answered or not, more than one in a message, their ids used again.
    """
    branch: Branch = []
    asked: list[str] = []
    for index in range(draw(st.integers(0, max_size))):
        letters = draw(st.integers(0, 400))
        branch.append(
            header(
                index,
                draw(st.sampled_from([Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT, Role.TOOL, Role.SYSTEM])),
                tokens=draw(st.integers(0, 400)),
                status=draw(st.sampled_from(list(Status))),
                has_text=draw(st.integers(0, 5)) > 0,
                letters=letters,
                other_letters=draw(st.integers(0, letters)),
                pinned=marks and draw(st.integers(0, 5)) == 5,
                excluded=marks and draw(st.integers(0, 7)) == 7,
            )
        )
        if branch[-1].role is Role.ASSISTANT:
            calls = [draw(st.sampled_from(["0", "1", f"c{index}"])) for _ in range(draw(CALLS))]
            branch[-1] = branch[-1]._replace(calls=tuple(calls))
            asked = calls or asked
        if branch[-1].role is Role.TOOL:
            answers = draw(st.lists(st.sampled_from([*asked, *asked, *asked, "c?"]), max_size=2))
            branch[-1] = branch[-1]._replace(answers=tuple(answers))
        if draw(st.integers(0, 7)) == 7:
            few = st.integers(0, 2)
            texts = draw(few) if not branch[-1].answers else 0  # what brings results carries nothing else
            images = draw(few) if branch[-1].role is Role.USER else 0
            branch[-1] = with_files(branch[-1], texts=texts, images=images, others=draw(few))
    return branch


def requests(
    *, context_windows: st.SearchStrategy[int] | None = None, low: float | None = None
) -> st.SearchStrategy[Request]:
    """Any request, possible or not."""
    return st.builds(
        Request,
        context_window=context_windows or (st.integers(-5, 6000) | st.just(10**9)),
        max_messages=st.integers(0, 30),
        draft=st.none() | st.text(max_size=60),
        draft_id=st.none() | st.just("draft"),
        draft_attachments=st.lists(st.sampled_from([TEXT, IMAGE, PDF]), max_size=3).map(tuple),
        takes_images=st.booleans(),
        system_prompt=st.none() | st.text(max_size=60),
        assumed=st.booleans(),
        reserved_for_reply=st.none() | st.integers(0, 8000),
        low=st.sampled_from([1.0, 0.5, 0.5, 0.25, 0.0]) if low is None else st.just(low),
        anchor_id=st.none() | st.integers(0, 17).map("m{}".format),
        factor=st.sampled_from([1.0, 0.4, 1.05, 2.5]),
        calibrated=st.booleans(),
    )


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Any branch and any request about it, with a summary of its beginning, true or not, and what was found for it."""
    branch, request = draw(branches()), draw(requests())
    summary = draw(st.none() | summaries(branch, request))
    return branch, replace(request, summary=summary, ranked=draw(rankings(branch)))


@st.composite
def summaries(draw: st.DrawFn, branch: Branch, request: Request) -> Summary | None:
    """A summary of the first units; now and then a source was changed or is none of the branch's."""
    setting = Setting.of(branch, request)
    end = max((unit.end for unit in setting.units[: draw(st.integers(1, 8))]), default=0)
    told = [m for place, m in enumerate(branch[:end]) if m.is_sendable and place not in setting.tools.orphans]
    sources = [Source.of(message) for message in told]
    if sources and draw(st.integers(0, 7)) == 7:
        changed = draw(st.integers(0, len(sources) - 1))
        sources[changed] = draw(st.sampled_from([Source("m99", 1, 1), sources[changed]._replace(characters=1)]))
    tokens = draw(st.integers(1, 1100))
    return Summary("s1", "what was said", tuple(sources), "a model", 0, tokens) if sources else None


@st.composite
def rankings(draw: st.DrawFn, branch: Branch) -> tuple[Hit, ...]:
    """Some messages of the branch and of other conversations, best first, some with the same text."""
    own = draw(st.lists(st.sampled_from(branch), max_size=6, unique=True)) if branch else []
    hits = [Hit(m.id, 1.0, m.role, m.created_at, m.tokens, m.lines) for m in own]
    for number in range(draw(st.sampled_from([0, 0, 1, 2]))):
        tokens, at = draw(st.integers(1, 400)), draw(st.integers(0, 20_000))
        hits.append(Hit(f"x{number}", 1.0, Role.ASSISTANT, at, tokens, 1, conversation="Another"))
    scores = sorted(draw(st.lists(st.floats(0.01, 9), min_size=len(hits), max_size=len(hits))), reverse=True)
    hits = draw(st.permutations(hits))
    return tuple(
        hit._replace(score=score, twin=draw(st.integers(0, 9))) for hit, score in zip(hits, scores, strict=True)
    )
