"""What a draft is taken to be about."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.memory.query import MOST_CHARACTERS, OWN_WEIGHT, STOP_WORDS, terms_of, words_of


@pytest.mark.parametrize(
    ("draft", "terms"),
    [
        ("What was the name of Luna's vet?", "name luna vet"),
        ("Fix max_tokens in foo-bar(x), please!", "fix max tokens foo bar x"),
        ("Wo habe ich das Fahrrad gekauft?", "fahrrad gekauft"),
        ("Naïve CAFÉ cafe\u0301", "naïve café"),
        ("Rust rust RUST", "rust"),
        ("日本語と東京の茶", "日本 本語 語と と東 東京 京の の茶"),
        ("茶", "茶"),
        ("GPT4を使う", "gpt4 を使 使う"),
        ("안녕하세요 세계", "안녕 녕하 하세 세요 세계"),
        ("हिन्दी किताब", "हिन्दी किताब"),
        ("ab b", "ab b"),
    ],
)
def test_the_words_of_content_are_looked_for_each_once(draft: str, terms: str) -> None:
    assert tuple(terms.split()) == terms_of(draft)


def test_a_draft_of_stop_words_only_keeps_them() -> None:
    assert ("what", "is", "that", "then") == terms_of("What is that, then? What is?")


def test_a_draft_without_a_word_looks_for_nothing_by_itself() -> None:
    assert () == terms_of("?")
    assert () == terms_of("  \n\0 \u0301 🧑‍🚀 \ud800")


def test_a_draft_that_says_little_is_helped_by_the_prompt_before_which_counts_less() -> None:
    before = "How do I repair my bike chain?"

    assert (*["second"] * 3, "repair", "bike", "chain") == terms_of("And the second?", before)
    assert (*["chain", "oil"] * 3, "repair", "bike") == terms_of("Chain oil?", before)
    assert ("repair", "bike", "chain") == terms_of("?", before)
    assert ("chain",) == terms_of("Chain?", "And the chain?")
    assert ("why", "is", "that") == terms_of("Why is that?", "")


def test_a_draft_that_says_enough_stands_alone() -> None:
    assert ("red", "bike", "chain") == terms_of("my red bike chain", "What of the boat?")


def test_fts_syntax_is_only_words() -> None:
    assert ("x", "near", "k", "5", "z") == terms_of('x* NEAR("k" AND, 5) OR ^z:')


def test_of_a_huge_text_the_beginning_and_the_end_count() -> None:
    half = MOST_CHARACTERS // 2
    text = f"alpha {' ' * half} beta {' ' * half} gamma"

    assert ("alpha", "gamma") == terms_of(text)


def test_no_stop_word_is_written_so_that_it_can_never_be_met() -> None:
    assert [word for word in STOP_WORDS if words_of(word) != [word]] == []


@settings(max_examples=200, deadline=None)
@given(draft=st.text(), previous=st.none() | st.text())
def test_any_text_gives_words_that_a_text_can_hold(draft: str, previous: str | None) -> None:
    terms = terms_of(draft, previous)

    assert {1} >= set(Counter(terms_of(draft)).values())
    assert {1, OWN_WEIGHT} >= set(Counter(terms).values())
    assert all(term == term.strip() and any(map(str.isalnum, term)) for term in terms)
    if any(map(str.isalnum, draft)):
        assert terms
