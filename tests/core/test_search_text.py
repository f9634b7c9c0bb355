"""The search form of texts, tried on the tokenizer it is written for."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.search_text import excerpt, indexed, match


def finds(text: str, query: str, *, beginnings: bool = False) -> bool:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='unicode61 remove_diacritics 2')")
        db.execute("INSERT INTO t VALUES (?)", (indexed(text),))
        expression = match(query, beginnings=beginnings)
        return bool(expression) and db.execute("SELECT 1 FROM t WHERE t MATCH ?", (expression,)).fetchone() is not None


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("The quick brown fox", "fox quick"),
        ("Crème brûlée", "creme BRULEE"),
        ("cafe\u0301", "café"),
        ("foo-bar(baz)", "foo-bar"),
        ('say "hello" now', '"hello"'),
        ("我喜欢日本語です", "日本語"),
        ("我喜欢日本語です", "喜"),
        ("我喜欢日本語です", "す"),
        ("GPT4を使う", "GPT4を"),
        ("GPT4を使う", "gpt4"),
        ("本を1冊", "を1"),
        ("a日本b", "日本b"),
        ("日本、東京", "日本。"),
        ("안녕하세요 세계", "하세"),
        ("안녕하세요".encode().decode(), "\u1112\u1161\u1109\u1166"),
        ("one\0two", "two"),
        ("Fußball", "fußball"),
    ],
)
def test_what_occurs_is_found(text: str, query: str) -> None:
    assert finds(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("The quick brown fox", "fox slow"),
        ("The quick brown fox", "qui"),
        ("日本と中国", "本中"),
        ("東京", "京都"),
        ("text", "?!"),
        ("text", ""),
    ],
)
def test_what_does_not_occur_is_not_found(text: str, query: str) -> None:
    assert not finds(text, query)


def test_beginnings_are_enough_where_asked_for() -> None:
    assert finds("The quick brown fox", "bro qui", beginnings=True)
    assert not finds("The quick brown fox", "rown", beginnings=True)
    assert finds("我喜欢日本語", "日本", beginnings=True)


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=150)
def test_any_text_is_a_valid_query(text: str, query: str) -> None:
    finds(text, query)
    finds(text, query, beginnings=True)


@pytest.mark.parametrize(
    "query", ['"', "a OR b", "NOT", "a NEAR b", "x*", "col:y", "(", "a AND", "^a", "-a", "{a b}:c"]
)
def test_syntax_in_a_query_is_only_text(query: str) -> None:
    finds("text", query)


def test_a_query_of_thousands_of_words_is_valid() -> None:
    words = " ".join(f"word{i}" for i in range(5_000))

    assert finds(words, words)


@given(st.text(alphabet="abc 日本語のかなテスト한국어é1", min_size=1, max_size=30), st.data())
@settings(max_examples=150)
def test_a_part_of_a_run_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    words = text[start:end].split()
    scripts = [word for word in words if all(character in "日本語のかなテスト한국어" for character in word)]

    assert all(finds(text, word) for word in scripts)


def test_plain_text_is_indexed_as_it_is() -> None:
    assert indexed("The quick\nbrown fox") == "The quick\nbrown fox"


def test_an_excerpt_shows_the_word_on_one_line() -> None:
    text = "filler words\n" * 50 + "here is the Needle itself\n" + "more filler " * 50
    line = excerpt(text, "needle")

    assert "Needle itself" in line
    assert line.startswith("…")
    assert line.endswith("…")
    assert "\n" not in line
    assert len(line) <= 122


def test_an_excerpt_of_a_short_text_is_the_text() -> None:
    assert excerpt("just  this", "this") == "just this"


def test_an_excerpt_finds_words_with_other_accents() -> None:
    assert "brûlée" in excerpt("x " * 200 + "crème brûlée" + " y" * 200, "brulee")


@given(st.text(max_size=200), st.text(max_size=20))
@settings(max_examples=100)
def test_an_excerpt_never_fails(text: str, query: str) -> None:
    assert len(excerpt(text, query)) <= 122
