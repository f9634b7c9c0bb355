"""The key file: round trip, strictness, bounds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.crypto.parts import PROFILE
from tui_chat.core.errors import DamagedHistory, NewerSchema
from tui_chat.crypto.keyfile import KeyFile, KeyringSlot, PassphraseSlot, WrappedKey
from tui_chat.crypto.keys import CHECK_BYTES, WRAPPED_BYTES, KdfParameters

wrapped_keys = st.builds(
    WrappedKey,
    st.binary(min_size=CHECK_BYTES, max_size=CHECK_BYTES),
    st.binary(min_size=WRAPPED_BYTES, max_size=WRAPPED_BYTES),
)
key_files = st.builds(
    KeyFile,
    st.text(max_size=20),
    st.lists(wrapped_keys, min_size=1, max_size=2).map(tuple),
    keyring=st.none() | st.builds(KeyringSlot, st.text(max_size=9), st.text(max_size=9), wrapped_keys),
    passphrase=st.none()
    | st.builds(PassphraseSlot, st.just(KdfParameters()), st.binary(min_size=16, max_size=16), wrapped_keys),
    recovery=st.none() | wrapped_keys,
    history_made=st.booleans(),
)

WRAPPED = WrappedKey(b"c" * CHECK_BYTES, b"k" * WRAPPED_BYTES)
FULL = KeyFile(
    PROFILE,
    (WRAPPED,),
    keyring=KeyringSlot("a.backend", "kek-00", WRAPPED),
    passphrase=PassphraseSlot(KdfParameters(), b"s" * 16, WRAPPED),
    recovery=WRAPPED,
)


@given(key_files)
@settings(max_examples=60)
def test_a_key_file_survives_being_written(key_file: KeyFile) -> None:
    assert key_file == KeyFile.from_bytes(key_file.to_bytes())


@given(st.integers(0, len(FULL.to_bytes()) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_a_changed_byte_is_damage_or_a_newer_version(place: int, flip: int) -> None:
    data = bytearray(FULL.to_bytes())
    data[place] ^= flip

    with pytest.raises((DamagedHistory, NewerSchema)):
        KeyFile.from_bytes(bytes(data))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'"x"', b"[" * 100_000, FULL.to_bytes()[:-20]])
def test_what_is_no_key_file_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedHistory):
        KeyFile.from_bytes(data)


@pytest.mark.parametrize("depth", [100, 990, 5_000, 100_000])
@pytest.mark.parametrize("place", ['"chacha20"', '"argon2id"', f'"{WRAPPED.check.hex()}"', "65536"])
def test_an_absurdly_deep_value_is_damage(place: str, depth: int) -> None:
    text = FULL.to_bytes().decode()
    assert place in text

    for opening, closing in (("[", "]"), ('{"a":', "}")):
        with pytest.raises(DamagedHistory):
            KeyFile.from_bytes(text.replace(place, f"{opening * depth}1{closing * depth}", 1).encode())


def test_a_newer_version_is_said_to_be_one() -> None:
    content = json.loads(FULL.to_bytes()) | {"version": 2, "slots": "of another shape"}

    with pytest.raises(NewerSchema):
        KeyFile.from_bytes(json.dumps(content).encode())


@pytest.mark.parametrize(
    "price",
    [
        KdfParameters(memory_kib=1 << 30),
        KdfParameters(iterations=1 << 20),
        KdfParameters(lanes=1 << 10, memory_kib=1 << 16),
        KdfParameters(memory_kib=1),
        KdfParameters(iterations=0),
    ],
)
def test_a_price_out_of_bounds_is_refused_before_it_is_paid(price: KdfParameters) -> None:
    hostile = replace(FULL, passphrase=PassphraseSlot(price, b"s" * 16, WRAPPED))

    with pytest.raises(DamagedHistory):
        KeyFile.from_bytes(hostile.to_bytes())


def test_the_slots_are_named() -> None:
    assert FULL.slots == ("keyring", "passphrase", "recovery")
    assert replace(FULL, keyring=None, recovery=None).slots == ("passphrase",)
