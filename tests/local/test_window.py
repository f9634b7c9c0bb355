"""With how many tokens of context a model is run where the user does not say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.local.gguf_bytes import Value, gguf, llama
from tui_chat.local.header import WANTED, Header, parse_header
from tui_chat.local.window import (
    LARGEST,
    SMALLEST,
    UNKNOWN,
    cache_bytes,
    cache_room,
    default_window,
    total_memory,
    trained_window,
)

GIB = 2**30
EIGHT_BILLION = parse_header(gguf(), whole=True)
PER_TOKEN = 32 * 8 * (128 + 128) * 2
"""Layers, heads that keep keys and values, their sizes, and bytes of a number."""


def test_the_cache_of_a_known_model_is_known() -> None:
    assert PER_TOKEN == 131_072 == cache_bytes(EIGHT_BILLION)


@pytest.mark.parametrize(
    ("changed", "bytes_a_token"),
    [
        ({"llama.attention.key_length": 64, "llama.attention.value_length": 64}, PER_TOKEN // 2),
        ({"llama.attention.head_count_kv": [8, 0, 8]}, 16 * 256 * 2),
        ({"llama.block_count": 0}, 0),
        ({"llama.attention.head_count": 0}, 32 * 8 * 8192 * 2),
        ({"llama.attention.head_count_kv": -3}, 0),
    ],
)
def test_the_cache_follows_the_models_shape(changed: dict[str, Value], bytes_a_token: int) -> None:
    assert bytes_a_token == cache_bytes(parse_header(gguf(llama(changed)), whole=True))


@pytest.mark.parametrize(
    ("size", "memory", "tokens"),
    [
        (5 * GIB, 64 * GIB, LARGEST),
        (5 * GIB, 16 * GIB, 32_768),
        (5 * GIB, 8 * GIB, 12_288),
        (1 * GIB, 8 * GIB, 16_384),
        (1 * GIB, 8 * GIB + 5_000_000, 16_384),
        (5 * GIB, 4 * GIB, SMALLEST),
    ],
)
def test_the_cache_takes_a_quarter_of_the_memory_or_half_of_what_is_left(size: int, memory: int, tokens: int) -> None:
    assert tokens == default_window(EIGHT_BILLION, size, memory)


@pytest.mark.parametrize(("trained", "tokens"), [(512, 512), (2048, 2048), (131072, LARGEST)])
def test_a_model_never_gets_more_than_it_was_trained_for(trained: int, tokens: int) -> None:
    header = parse_header(gguf(llama({"llama.context_length": trained})), whole=True)

    assert (trained, tokens) == (trained_window(header), default_window(header, GIB, 64 * GIB))


@pytest.mark.parametrize("said", [0, 1, 10**9, 2**64 - 1, -1])
def test_a_window_that_no_model_has_is_not_believed(said: int) -> None:
    header = parse_header(gguf(llama({"llama.context_length": said})), whole=True)

    assert (None, UNKNOWN) == (trained_window(header), default_window(header, GIB, 64 * GIB))


figures = st.integers(-(2**63), 2**64 - 1)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(WANTED)),
        st.one_of(figures, st.lists(st.integers(0, 2**32 - 1), max_size=4).map(tuple)),
    ),
    st.integers(0, 2**45),
    st.integers(1, 2**45),
)
def test_any_figures_give_a_window_that_fits(shape: dict[str, int | tuple[int, ...]], size: int, memory: int) -> None:
    header = Header("llama", shape=shape)

    tokens = default_window(header, size, memory)

    assert min(SMALLEST, trained_window(header) or UNKNOWN) <= tokens <= min(LARGEST, trained_window(header) or UNKNOWN)
    assert tokens <= SMALLEST or cache_bytes(header) * tokens <= cache_room(size, memory)


def test_this_computers_memory_is_known() -> None:
    assert GIB // 4 < total_memory() < 2**50
