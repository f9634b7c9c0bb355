"""The body of a request: the same JSON as in one piece, at a bounded price in memory."""

from __future__ import annotations

import json
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.models import clean_surrogates
from tui_chat.providers.body import encoded

texts = st.text(st.characters(exclude_categories=()), max_size=20)
bodies = st.dictionaries(
    texts,
    st.recursive(
        texts | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
        lambda each: st.lists(each, max_size=4) | st.dictionaries(texts, each, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(bodies)
def test_a_body_is_what_it_would_be_in_one_piece(body: dict[str, object]) -> None:
    whole = json.dumps(body, ensure_ascii=False, separators=(",", ":"))

    assert clean_surrogates(whole).encode() == encoded(body)


def test_an_emoji_beside_a_large_image_does_not_multiply_it() -> None:
    size = 3_000_000
    body = {"text": "👍", "image": "x" * size}
    tracemalloc.start()
    try:
        encoded(body)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # Quoted, encoded, and in the document, which grows by more than it needs.
    assert most < 4.5 * size
