"""Markdown as lines: what is shown, what never is, and the same whole or in pieces."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.color import Color
from textual.style import Style

from tui_chat.core.clean import clean
from tui_chat.ui.markdown import LIMIT, Inks, Line, Stream, code_blocks, crop, render, wrap
from tui_chat.ui.markdown.fences import CHUNK, COLOUR_LIMIT, load_colours
from tui_chat.ui.markdown.tables import MAX_COLUMNS, MAX_ROWS

load_colours()

_THEME = {
    "foreground": "#E0E0E0",
    "text-accent": "#FFC473",
    "text-error": "#D17E92",
    "text-primary": "#57A5E2",
    "text-secondary": "#5684A5",
    "text-success": "#8AD4A1",
    "text-warning": "#FFC473",
    "warning": "#FEA62B",
}
INKS = Inks.of(Style(Color.parse("#121212"), Color.parse("#e0e0e0")), _THEME)


def shown(text: str, width: int = 60) -> list[str]:
    """What a reader sees, line by line."""
    return [line.plain.rstrip() for line in render(clean(text), width, INKS)]


def metas(lines: list[Line]) -> list[dict[str, object]]:
    return [s.style.meta for line in lines for s in line.segments if s.style is not None and s.style.meta]


def streamed(text: str, cuts: list[int], width: int = 40) -> Stream:
    stream = Stream(width, INKS)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    for start, end in pairwise(places):
        stream.feed(text[start:end])
    return stream


# -- looks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", ["one", "two"]),
        ("one  \ntwo", ["one", "two"]),
        ("# Title\ntext", ["Title", "", "text"]),
        ("a **b** *c* ~~d~~ `e`", ["a b c d e"]),
        ("- a\n- b\n  - c\n    - d", ["• a", "• b", "  ◦ c", "    ▪ d"]),
        ("- a\n\n- b\n- c", ["• a", "", "• b", "• c"]),
        ("3. a\n3. b\n\n   more", ["3. a", "4. b", "", "   more"]),
        ("- [ ] to do\n- [x] **done**\n- [y] no", ["☐ to do", "☑ done", "• [y] no"]),
        ("1. [X] done", ["1. ☑ done"]),
        ("> said\n> > and said", ["▎ said", "▎ ▎ and said"]),
        ("---", ["─" * 60]),
        ("a\n\n\n\nb", ["a", "", "b"]),
        ("![a cat](https://x.org/?q=secret)", ["[image: a cat]"]),
        ("<b>bold</b>\n\n<div>\nhello\n</div>", ["<b>bold</b>", "", "<div>", "hello", "</div>"]),
        ("[bold]x[/] [@click=app.quit]y[/]", ["[bold]x[/] [@click=app.quit]y[/]"]),
        ("&amp; &lt;b&gt; \\*", ["& <b> *"]),
        ("", []),
    ],
)
def test_what_each_construct_looks_like(text: str, expected: list[str]) -> None:
    assert expected == shown(text)


def test_code_has_a_bar_and_its_language_at_the_right() -> None:
    lines = shown("```python title=x\nif a:\n\treturn b\n```", 30)

    assert ["│" + "python".rjust(28), "│ if a:", "│     return b"] == lines


def test_code_of_an_unknown_language_stays_plain() -> None:
    assert ["│" + "no-such".rjust(28), "│ x = 1"] == shown("```no-such\nx = 1\n```", 30)


def test_a_table_aligns_its_columns_and_shrinks_the_widest() -> None:
    lines = shown("| name | n |\n|---|--:|\n| a long description | 1 |\n| b | 22 |", 20)

    assert [
        "name            │  n",
        "────────────────┼───",
        "a long          │  1",
        "description     │",
        "b               │ 22",
    ] == lines


def test_a_link_says_where_it_leads_unless_its_text_does() -> None:
    text = "[docs](https://example.org/a) https://x.org [example.org](https://example.org) [m](mailto:a@b.org)"

    assert ["docs (example.org) https://x.org example.org m (a@b.org)"] == shown(text)


def test_a_link_that_claims_another_host_is_shown_with_its_real_one() -> None:
    assert ["https://bank.com (evil.org)"] == shown("[https://bank.com](https://bank.com@evil.org/x)")


def test_no_line_is_wider_than_asked_and_wrapped_words_can_be_joined_again() -> None:
    text = "The quick brown fox " + "jumps" * 20 + " over 漢字かな交じり文の長い文章が続きます and é̂ on"
    lines = wrap([(text, INKS.text)], 17)

    assert max(line.width for line in lines) <= 17
    assert [line.width for line in lines] == [cell_len(line.plain) for line in lines]
    assert text == "".join((line.glue or "") + line.plain for line in lines).removeprefix("\n")


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([*"ab c é漢字\t- ", "👨‍👩‍👧", "👍🏽", "❤️", "e\u0301"]), max_size=60), st.integers(1, 20)
)
def test_wrapping_loses_nothing_but_spaces(letters: list[str], width: int) -> None:
    text = "".join(letters)
    lines = wrap([(text[:20], INKS.text), (text[20:], INKS.dim)], width)

    assert text.replace("\t", "").replace(" ", "") == "".join(line.plain for line in lines).replace(" ", "")
    assert all(line.width <= max(2, width) for line in lines)


def test_cropping_marks_the_cut() -> None:
    assert ["abc", "ab…", "漢…", "…"] == [crop("abc", 3), crop("abcd", 3), crop("漢字", 3), crop("abc", 1)]


def test_code_blocks_are_given_as_they_were_written() -> None:
    text = "a\n```python\nx =\t1\n\n```\n- b\n  ~~~\n  y\n  ~~~\n`z`"

    assert ["x =\t1\n\n", "y\n"] == code_blocks(text)


# -- hostile text

_ESCAPES = [
    "a\x1b]52;c;aGFjaw==\x07b",
    "`a\x1b[31mred`",
    "```\na\x1b]52;c;aGFjaw==\x1b\\b\n```",
    "```py\x1b[31mthon\ncode\n```",
    "|a\x1b[31m|b|\n|-|-|\n|c\x1b[2J|d|",
    "[x](http://a/\x1b]52;c;aGFjaw==\x1b\\)",
    "[x](<http://a/&#27;]52;c;aGFjaw==&#7;>) &#27;[2J &#x9b;2J &#8238;evil",
    "abc \u202e evil \u2066x\u2069 \u200f a\u200bb hi\U000e0068 \x9b2J \x7f",
]


@pytest.mark.parametrize("text", _ESCAPES)
def test_nothing_that_a_terminal_obeys_is_in_any_line(text: str) -> None:
    everything = "".join(shown(text)) + "".join(str(meta["href"]) for meta in metas(render(clean(text), 60, INKS)))

    assert [] == re.findall(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", everything
    )


def test_only_web_and_mail_addresses_can_be_clicked() -> None:
    text = (
        "[f](file:///etc/passwd) [j](javascript:alert(1)) [v](vscode://x) [s](ssh://x) [d](data:text/html,hi)"
        " [r](../x) [q](<http://a/');app.exit('>) ![i](http://i/) [h](HTTPS://H.org) [m](mailto:a@b.c) [6](http://[x)"
    )

    hrefs = [meta["href"] for meta in metas(render(text, 60, INKS))]
    assert {"http://a/');app.exit('", "HTTPS://H.org", "mailto:a@b.c", "http://%5Bx"} == set(hrefs)


def test_no_action_is_ever_in_a_line() -> None:
    text = "# [@click=app.quit]T[/]\n\n|h|\n|-|\n|[@click=app.quit]c[/]|\n\n[x](<@click=app.quit>) `[@click=a]`"

    assert [] == [meta for meta in metas(render(text, 60, INKS)) if set(meta) - {"href"}]


def test_deep_nesting_ends_in_a_visible_ellipsis() -> None:
    for text in ("\n".join("  " * i + "- x" for i in range(100)), ">" * 200 + " x", ">" * 5000 + " x"):
        lines = shown(text)

        assert lines[-1].endswith("…")
        assert len(lines) < 20


def test_a_giant_table_is_cut_with_a_note() -> None:
    rows = shown("|a|b|\n|-|-|\n" + "|x|y|\n" * (MAX_ROWS + 5))
    columns = shown("|" + "h|" * (MAX_COLUMNS + 7) + "\n|" + "-|" * (MAX_COLUMNS + 7) + "\n", 300)

    assert MAX_ROWS + 3 == len(rows)
    assert "… 5 more rows not shown" in rows[-1]
    assert "… 7 more columns not shown" in columns[-1]


def test_a_giant_message_is_cut_with_a_note() -> None:
    lines = shown("x" * (LIMIT + 1234), 2000)

    assert 1000 + 2 == len(lines)
    assert lines[-1].startswith("… 1,234 more characters not shown")


def test_giant_code_stays_plain() -> None:
    lines = render("```python\n" + "x = 1\n" * (COLOUR_LIMIT // 6 + 1) + "```", 60, INKS)

    assert {INKS.block, INKS.block_dim} == {segment.style for line in lines for segment in line.segments}


# -- in pieces

_WORDS = st.sampled_from(
    [
        "word",
        "a **bold** one",
        "*it*",
        "`code`",
        "[link](https://a.org/x)",
        "漢字",
        "- ",
        "1. ",
        "#",
        "é",
        "x" * 50,
        "|",
        "\\",
    ]
)
_TEXT = st.lists(_WORDS, min_size=1, max_size=12).map(" ".join)
_ITEM = st.tuples(st.sampled_from(["- ", "  - ", "* ", "1. ", "2) ", "    - ", "- [ ] ", "-\n"]), _TEXT).map("".join)
_CODE = st.tuples(
    st.sampled_from(["```", "~~~", "````", "  ```", "```python"]),
    st.lists(st.sampled_from(["x = 1", "", "  def f():", "```", "'''", "# c", "~~~"]), max_size=8).map("\n".join),
    st.sampled_from(["```", "~~~", "````", "", "```x"]),
).map("\n".join)
_TABLE = st.lists(_TEXT, max_size=5).map(
    lambda cells: "| a | b |\n|---|--:|\n" + "\n".join(f"| {cell} | {n} |" for n, cell in enumerate(cells))
)
_BLOCK = st.one_of(
    _TEXT,
    _TEXT.map("## {}".format),
    st.lists(_ITEM, min_size=1, max_size=6).map("\n".join),
    st.lists(_ITEM, min_size=1, max_size=4).map("\n\n".join),
    _CODE,
    _TABLE,
    _TEXT.map("> {}\n> more".format),
    st.sampled_from(
        ["---", "===", "***", "    indented\n\n    code", "<b>html</b>", "[a]", "  ", "\t- x", "+ y", "&amp;"]
    ),
)
_ANSWER = st.lists(st.tuples(_BLOCK, st.sampled_from(["\n\n", "\n", "\n\n\n"])).map("".join), max_size=8).map("".join)


@settings(max_examples=300, deadline=None)
@given(_ANSWER, st.lists(st.integers(0, 800), max_size=30))
@example("para\n#", [6])
@example("- a\n- b\n\n- c\n", [4, 8, 9])
@example("para\n1.", [6])
@example("para\n| a |\n|-|-|\n", [14])
@example("|a|b|\n|-|-|\n|c|d|\n|e|f|\n\n|a|b|\n|-|-|\n|g|h|\n|i|j|\n", [])
def test_in_pieces_and_whole_give_the_same_lines(text: str, cuts: list[int]) -> None:
    stream = streamed(text, cuts)

    assert stream.is_exact
    assert render(text, 40, INKS) == stream.lines


@settings(max_examples=30, deadline=None)
@given(_ANSWER)
def test_letter_by_letter_and_whole_give_the_same_lines_at_every_letter(text: str) -> None:
    text = text[:150]
    stream = Stream(30, INKS)
    for place, letter in enumerate(text):
        stream.feed(letter)

        assert [line.plain for line in render(text[: place + 1], 30, INKS)] == [line.plain for line in stream.lines]


def test_a_reference_known_later_asks_for_a_whole_rendering() -> None:
    assert not streamed("[a]\n\n[a]: https://x.org\n", [3]).is_exact


def test_long_open_code_is_settled_in_chunks_and_coloured_whole_at_its_end() -> None:
    code = "```python\n" + "'''\n" + "text\n" * (CHUNK * 5) + "'''\n"
    stream = Stream(40, INKS)
    for place in range(0, len(code), 400):
        stream.feed(code[place : place + 400])
    open_code = [line.plain for line in stream.lines]
    was_exact = stream.is_exact
    stream.feed("```\n")

    assert not was_exact
    assert [line.plain for line in render(code, 40, INKS)] == open_code
    assert render(code + "```\n", 40, INKS) == stream.lines
    assert stream.is_exact


@pytest.mark.parametrize("unit", ["- item of a list\n", "| x | y |\n", "A paragraph.\n\n", "x = 1\n"])
def test_what_is_settled_is_not_read_again(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work for one more piece does not grow with the text before it (a table is parsed, not drawn, again)."""
    from tui_chat.ui.markdown import blocks, fences, tables

    drawn = 0

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any, **options: Any) -> Any:
            nonlocal drawn
            drawn += 1
            return function(*arguments, **options)

        return count

    for module in (blocks, fences, tables):
        for name in ("wrap", "fold"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, counting(getattr(module, name)))
    start = {"|": "| a | b |\n|---|---|\n", "x": "```python\n"}.get(unit[0], "")
    stream = Stream(60, INKS)
    stream.feed(start + unit * 1000)
    drawn = 0
    stream.feed(unit)

    assert drawn <= 2 * CHUNK + 2
