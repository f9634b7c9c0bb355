"""Keys: what opens what, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.crypto.parts import CHEAP, PROFILE
from tui_chat.core.errors import BadInput, WrongKey
from tui_chat.core.secret import Secret
from tui_chat.crypto import keys


@pytest.mark.parametrize("value", [b"", b"k" * 31, b"k" * 33])
def test_a_key_of_another_length_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        keys.checked(Secret(value))


def test_bare_bytes_are_no_key() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        keys.checked(b"k" * 32)  # type: ignore[arg-type]


def test_an_empty_key_wraps_nothing() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        keys.wrap(keys.make_key(), under=Secret(b""), profile_id=PROFILE, slot="keyring")


def test_a_wrapped_key_opens_at_its_place() -> None:
    key, under = keys.make_key(), keys.make_key()
    wrapped = keys.wrap(key, under=under, profile_id=PROFILE, slot="keyring")

    assert key == keys.unwrap(wrapped, under=under, profile_id=PROFILE, slot="keyring")


@pytest.mark.parametrize(("profile_id", "slot"), [(PROFILE, "recovery"), ("another", "keyring")])
def test_a_wrapped_key_opens_at_no_other_place(profile_id: str, slot: str) -> None:
    under = keys.make_key()
    wrapped = keys.wrap(keys.make_key(), under=under, profile_id=PROFILE, slot="keyring")

    with pytest.raises(WrongKey):
        keys.unwrap(wrapped, under=under, profile_id=profile_id, slot=slot)


@given(st.integers(0, keys.WRAPPED_BYTES - 1), st.integers(1, 255))
@settings(max_examples=60)
def test_a_changed_byte_of_a_wrapped_key_is_refused(place: int, flip: int) -> None:
    under = keys.make_key()
    wrapped = bytearray(keys.wrap(keys.make_key(), under=under, profile_id=PROFILE, slot="data"))
    wrapped[place] ^= flip

    with pytest.raises(WrongKey):
        keys.unwrap(bytes(wrapped), under=under, profile_id=PROFILE, slot="data")


def test_two_wraps_of_one_key_differ() -> None:
    key, under = keys.make_key(), keys.make_key()
    wraps = {keys.wrap(key, under=under, profile_id=PROFILE, slot="data") for _ in range(4)}

    assert len(wraps) == 4


def test_the_check_value_knows_key_and_profile() -> None:
    key = keys.make_key()
    values = {
        keys.derive_check(key, PROFILE),
        keys.derive_check(key, "another"),
        keys.derive_check(keys.make_key(), PROFILE),
    }

    assert len(values) == 3
    assert {8} == {len(value) for value in values}


def test_argon2id_agrees_with_its_reference() -> None:
    # A test vector of the reference implementation (phc-winner-argon2, src/test.c).
    derived = keys.derive_from_passphrase(Secret("password"), b"somesalt", keys.KdfParameters(65536, 2, 1))

    assert derived.reveal().hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"


def test_every_form_of_a_passphrase_is_the_same() -> None:
    composed = keys.derive_from_passphrase(Secret("caf\u00e9"), b"salt" * 4, CHEAP)

    assert composed == keys.derive_from_passphrase(Secret("cafe\u0301"), b"salt" * 4, CHEAP)


@pytest.mark.parametrize("value", [b"", b"\xff\xfe"])
def test_an_unusable_passphrase_is_refused(value: bytes) -> None:
    with pytest.raises(BadInput):
        keys.derive_from_passphrase(Secret(value), b"salt" * 4, CHEAP)


def test_a_recovery_code_is_eight_groups_of_seven() -> None:
    code = keys.derive_recovery_code(keys.make_key())

    assert [len(group) for group in code.split("-")] == [7] * 8


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=40)
def test_a_recovery_code_gives_its_key_back_however_it_is_typed(value: bytes) -> None:
    key = Secret(value)
    code = keys.derive_recovery_code(key)
    typed = (code, code.lower(), code.replace("-", ""), f"  {code.replace('-', ' ')}\n")

    assert [key] * 4 == [keys.derive_from_recovery_code(Secret(text)) for text in typed]


@given(st.data())
@settings(max_examples=60)
def test_a_mistyped_recovery_code_is_found(data: st.DataObject) -> None:
    code = keys.derive_recovery_code(Secret(bytes(range(32))))
    place = data.draw(st.sampled_from([i for i, digit in enumerate(code) if digit != "-"]))
    digit = data.draw(st.sampled_from([d for d in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567018!é" if d != code[place]]))

    with pytest.raises(WrongKey, match="typing error"):
        keys.derive_from_recovery_code(Secret(code[:place] + digit + code[place + 1 :]))


@pytest.mark.parametrize("text", ["", "AAAAAAA", "A" * 64, "not a code"])
def test_what_is_no_recovery_code_is_a_typing_error(text: str) -> None:
    with pytest.raises(WrongKey, match="typing error"):
        keys.derive_from_recovery_code(Secret(text))
