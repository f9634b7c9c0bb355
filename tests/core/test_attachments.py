"""Files that go with a message: which may, and what of each stands in a request."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attached import HEIGHT, IMAGES, WIDTH, attached, picture, png
from tui_chat.core import attachments, tokens
from tui_chat.core.attachments import Carried, carried, clean_name, expanded, pasted, read, sent_images, text_of, weigh
from tui_chat.core.errors import BadInput
from tui_chat.core.images import Image
from tui_chat.core.models import Attachment, Role, Thinking, ToolResult

# -- making one -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_is_known_by_its_content(kind: str) -> None:
    assert kind.split()[0] == read("letter.txt", IMAGES[kind]).mime


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        ("naïve 漢字 🙂\r\n".encode(), "naïve 漢字 🙂\r\n"),
        ("marked".encode("utf-8-sig"), "marked"),
        ("wide 漢字".encode("utf-16"), "wide 漢字"),
        ("big".encode("utf-16-be").join((b"\xfe\xff", b"")), "big"),
        (b"\x1b[31mred\x1b[0m\x0c", "\x1b[31mred\x1b[0m\x0c"),
    ],
)
def test_a_text_is_known_by_its_content_and_kept_to_the_byte(data: bytes, text: str) -> None:
    made = read("photo.png", data)

    assert ("text/plain", data, text) == (made.mime, made.data, text_of(made))


def test_a_pdf_is_kept() -> None:
    assert "application/pdf" == read("a.pdf", b"%PDF-1.7\n%\xe2\xe3").mime


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        ("naïve".encode("latin-1"), "neither a text in UTF-8"),
        ("naïve".encode("utf-16-le"), "neither a text in UTF-8"),
        ("naïve".encode("utf-32"), "neither a text in UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00", "neither a text in UTF-8"),
        (b"PK\x03\x04\x00", "neither a text in UTF-8"),
        (png()[:20], "damaged image"),
        (png(8001, 1), "too large an image: 8,001 by 1 pixels"),
        (b"\xff\xd8\xff\xe0", "damaged image"),
        (b"x" * (attachments.MOST_TEXT + 1), "too large: 5.0 MB"),
        (png() + bytes(attachments.MOST_IMAGE), "too large: 20.0 MB"),
        (b"%PDF-1.7" + bytes(attachments.MOST_FILE), "too large: 50.0 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_sent_is_refused_with_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=re.escape(says)) as refused:
        read("notes/a file.bin", data)

    assert str(refused.value).startswith("a file.bin is ")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("notes.txt", "notes.txt"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\system32\\cmd.exe", "cmd.exe"),
        ("a/b\\c.txt", "c.txt"),
        ("../..", "file"),
        ("..", "file"),
        ("", "file"),
        (" \n ", "file"),
        (".bashrc", ".bashrc"),
        ("a\nb\x1b[31m\u2028c\u202etxt.exe", "a b\ufffd[31m ctxt.exe"),
        ("lone \ud83d.txt", "lone \ufffd.txt"),
        ("x" * 300 + ".tar.gz", "x" * 116 + "….gz"),
        ("x" * 300, "x" * 119 + "…"),
    ],
)
def test_a_name_is_the_last_part_of_a_path_that_a_terminal_can_show(name: str, cleaned: str) -> None:
    assert cleaned == read(name, b"x").name


@given(st.text())
def test_a_cleaned_name_is_clean(name: str) -> None:
    cleaned = clean_name(name)

    assert cleaned == clean_name(cleaned)
    assert cleaned
    assert len(cleaned) <= attachments.LONGEST_NAME
    assert not set(cleaned) & set("/\\\n\r\x1b\u2028")


@given(st.text())
def test_a_paste_is_a_text_as_it_was(text: str) -> None:
    made = pasted(text)

    assert ("pasted.txt", "text/plain", text) == (made.name, made.mime, text_of(made))


def test_a_paste_takes_lone_surrogates_and_not_more_than_fits_any_model() -> None:
    assert "a\ufffdb" == text_of(pasted("a\ud83db"))
    with pytest.raises(BadInput, match=r"too large: 6\.0 MB"):
        pasted("漢" * 2_000_000)


def test_neither_data_nor_text_is_in_a_repr() -> None:
    assert "canary" not in repr(pasted("a canary"))


# -- what a request carries -------------------------------------------------------------------


def test_a_text_stands_behind_the_message_in_a_block_with_its_name() -> None:
    files = (attached("one\ntwo"), Thinking("hm"), attached("# A title\n", "text/markdown", "read me.md"))

    assert expanded("Look:", files) == (
        "Look:\n\n[Attached file: notes.txt]\n```\none\ntwo\n```\n\n[Attached file: read me.md]\n```\n# A title\n```"
    )
    assert expanded("", files[:1]) == "[Attached file: notes.txt]\n```\none\ntwo\n```"
    assert expanded("as it is ", ()) == "as it is "


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    text = expanded("", (attached("a ````` b\n```\n", name="fence.md"),))

    assert text == "[Attached file: fence.md]\n``````\na ````` b\n```\n``````"


LINES = st.lists(st.sampled_from(["```", "````", "[Attached file: b]", "text", "", "`` `", " ```", "\r", "~~~", "漢"]))
CONTENTS = LINES.map("\n".join) | st.text()


@given(st.lists(st.tuples(st.text(max_size=12), CONTENTS), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_no_content_and_no_name_can_end_its_block_or_begin_another(files: list[tuple[str, str]]) -> None:
    text = expanded("", [attached(content.encode(), name=name) for name, content in files])

    assert [(clean_name(name), content) for name, content in files] == read_back(text, [each for _, each in files])


def read_back(text: str, contents: list[str]) -> list[tuple[str, str]]:
    """The blocks as a reader finds them who knows the rule and nothing of what is in them."""
    lines = text.split("\n")
    found = []
    for content in contents:
        head, fence = lines.pop(0), lines.pop(0)
        assert set(fence) == {"`"}
        end = lines.index(fence)
        body = "\n".join(lines[:end])
        # Whether the last line was ended by the file or for it is all that is not told.
        found.append((head.removeprefix("[Attached file: ")[:-1], body + "\n" * content.endswith("\n")))
        lines = lines[end + 1 :]
        assert lines[:1] in ([], [""])
        del lines[:1]
    assert lines == []
    return found


@pytest.mark.parametrize(
    ("mime", "data", "is_text"),
    [
        ("text/x-python", b"x", True),
        ("TEXT/HTML; charset=utf-8", b"x", True),
        ("application/json", b"{}", True),
        ("application/ld+json", b"{}", True),
        ("image/svg+xml", b"<svg/>", True),
        ("application/octet-stream", b"x", False),
        ("text/plain", b"\xff", False),
        ("text/plain", b"x" * (attachments.MOST_TEXT + 1), False),
        ("", b"x", False),
    ],
)
def test_a_text_says_that_it_is_one_and_is_one(mime: str, data: bytes, is_text: bool) -> None:
    assert is_text == (text_of(attached(data, mime)) is not None)
    assert Carried(1, others=int(not is_text)) == carried(Role.USER, (attached(data, mime),))


def test_images_of_the_user_are_sent_as_what_they_are() -> None:
    right, mislabelled, no_image = picture(), attached(png(), "image/jpg", "a.jpg"), attached(b"x", "image/png")

    assert (right, attached(png(), "image/png", "a.jpg")) == sent_images(Role.USER, (right, mislabelled, no_image))
    assert () == sent_images(Role.ASSISTANT, (right,))


def test_what_goes_with_a_message_is_counted_by_what_is_sent_of_it() -> None:
    files = (picture(1000, 1000), attached("text"), attached(b"%PDF-", "application/pdf"), picture(), Thinking("hm"))

    assert Carried(4, images=2, image_tokens=1296 + 258, others=1) == carried(Role.USER, files)
    assert Carried(4, others=3) == carried(Role.ASSISTANT, files)
    assert Carried() == carried(Role.USER, files[-1:])


def test_a_message_with_results_of_tools_carries_only_them() -> None:
    files = (attached("text"), ToolResult("1", "found"), picture())

    for role in (Role.TOOL, Role.USER):
        assert ("found", ()) == (expanded("found", files), sent_images(role, files))
        assert Carried(2, others=2) == carried(role, files)


def test_what_is_not_loaded_is_never_taken_for_empty() -> None:
    for each in (attached("text"), picture()):
        for look in (text_of, attachments.image_of):
            if look(each) is not None:
                with pytest.raises(KeyError):
                    look(each.unloaded())
    assert Image("image/png", WIDTH, HEIGHT) == attachments.image_of(picture())
    assert attached("").is_loaded
    assert (False, 4) == (attached("text").unloaded().is_loaded, attached("text").unloaded().size)


@given(st.text(), st.lists(CONTENTS.map(attached), max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_draft_is_measured_as_large_as_it_will_be(text: str, files: list[Attachment]) -> None:
    whole, own = tokens.measure(expanded(text, files)), tokens.measure(text)
    added, _ = weigh(files)

    assert 0 <= own.tokens + added.tokens - whole.tokens <= 2 * len(files)
    assert (whole.letters, whole.other_letters) == (
        own.letters + added.letters,
        own.other_letters + added.other_letters,
    )


@given(st.lists(st.sampled_from([attached("text"), attached(b"%PDF", "a/b"), picture(), picture(900, 900)])))
def test_a_draft_is_weighed_as_the_message_that_it_becomes(files: list[Attachment]) -> None:
    assert carried(Role.USER, files) == weigh(files)[1]


def test_a_known_file_is_not_looked_at_again() -> None:
    files = (attached("a text of its own, measured once"), picture(901, 901))
    first = weigh(files)

    # Without their data it could only raise.
    assert first == weigh([each.unloaded() for each in files])
