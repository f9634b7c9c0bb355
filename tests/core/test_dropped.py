"""Names of files in a paste, as terminals write them."""

from __future__ import annotations

import shlex
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.dropped import MOST_NAMES, MOST_TEXT, may_be_dropped, readings

NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=20)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


def escaped(path: str) -> str:
    """As macOS and iTerm2 write it."""
    return "".join(each if each.isalnum() or each in "/._-" else f"\\{each}" for each in path)


def double_quoted(path: str) -> str:
    return '"' + "".join(f"\\{each}" if each in '\\"$`' else each for each in path) + '"'


STYLES = {
    "single quoted": shlex.quote,
    "double quoted": double_quoted,
    "escaped": escaped,
    "URI": lambda path: f"file://{quote(path)}",
    "URI of this computer": lambda path: f"file://localhost{quote(path)}",
}


@settings(deadline=None)
@pytest.mark.parametrize("style", STYLES)
@given(paths=st.lists(PATHS, min_size=1, max_size=5), between=st.sampled_from([" ", "\n", "\r\n", "  "]))
def test_any_name_survives_quoting_alone_and_among_others(style: str, paths: list[str], between: str) -> None:
    pasted = between.join(map(STYLES[style], paths))

    assert tuple(paths) in readings(pasted)
    assert tuple(paths) in readings(f"{pasted} ")


@settings(deadline=None)
@given(PATHS)
def test_any_name_survives_as_it_is(path: str) -> None:
    assert (path,) in readings(path)


@settings(deadline=None)
@given(st.text(max_size=300) | st.text("'\"\\ ~/a\r\nfile:", max_size=300))
def test_any_text_is_read_and_names_are_full_ones(text: str) -> None:
    found = readings(text)

    assert bool(found) is may_be_dropped(text)
    for names in found:
        assert 0 < len(names) <= MOST_NAMES
        assert all(name.startswith(("/", "~/")) or name[1:3] in (":/", ":\\") for name in names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~/my\\ notes.md", ("~/my notes.md",)),
        ("C:\\Users\\me\\a b.txt", ("C:\\Users\\me\\a b.txt",)),
        ('"C:\\my files\\a.txt" C:\\b.txt', ("C:\\my files\\a.txt", "C:\\b.txt")),
        ("/one with spaces\r/two with spaces", ("/one with spaces", "/two with spaces")),
        ("file:///tmp/%FF", ("/tmp/\udcff",)),
        (" /tmp/a ", ("/tmp/a",)),
    ],
)
def test_names_are_read_as_terminals_paste_them(text: str, expected: tuple[str, ...]) -> None:
    assert expected in readings(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "notes.md",
        "see /tmp/a.md",
        "../secret",
        "file://example.com/etc/passwd",
        "https://example.com/a",
        "\\\\server\\share\\a.txt",
        "/" + "a" * MOST_TEXT,
    ],
)
def test_what_is_more_or_less_than_full_names_is_none(text: str) -> None:
    assert not may_be_dropped(text)


def test_words_behind_a_name_and_too_many_names_can_only_be_one_odd_name() -> None:
    for text in ("/tmp/a.md is it", "\n".join(["/a"] * (MOST_NAMES + 1))):
        assert ((text,),) == readings(text)
