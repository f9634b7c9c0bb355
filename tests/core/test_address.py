"""Addresses: one strict reading for the settings, the environment, the connection and the screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.core.address import is_address, place_of, read_address
from tui_chat.core.errors import BadInput

ODD = [
    "",
    "http://[bad",
    "http://[::1",
    "http://[::1]x",
    "http://foo:bar/v1",
    "http://foo:/v1",
    "http://foo:0/v1",
    "http://foo:65536/v1",
    "http://foo:१२/v1",
    "http://a\x1b[2J/v1",
    "http://a/\x00",
    "http://a/\udcff",
    "//a/v1",
    "mailto:a@b",
]


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read_address(text)

    assert refusal.value.hint
    assert not is_address(text)
    assert "" == place_of(text)


@pytest.mark.parametrize(
    "text", ["https://me:hunter2@example.com/v1", "https://hunter2@example.com", "http://a/hunter2@b"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read_address(text)

    assert "hunter2" not in refusal.value.sentence + place_of(text)


@pytest.mark.parametrize(
    ("text", "url", "place"),
    [
        ("https://API.example.com/v1/", "https://api.example.com/v1", "api.example.com"),
        (" HTTP://127.0.0.1:8080/V1 ", "http://127.0.0.1:8080/V1", "127.0.0.1:8080"),
        ("http://[FE80::1]:80", "http://[fe80::1]:80", "[fe80::1]:80"),
        ("http://[::1]/v1", "http://[::1]/v1", "[::1]"),
        ("http://my_nas:08080", "http://my_nas:8080", "my_nas:8080"),
    ],
)
def test_an_address_has_one_form_and_a_place(text: str, url: str, place: str) -> None:
    assert (url, place) == (read_address(text).url, place_of(text))


@given(st.text() | st.text(alphabet="htps:/[]@.01a%\\?# ").map("http://{}".format))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    if is_address(text):
        assert read_address(text) == read_address(read_address(text).url)
        assert place_of(text)
    else:
        assert "" == place_of(text)
