"""What is read of a model file's header, and that nothing in it is believed."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.local.gguf_bytes import LLAMA, Value, gguf, llama, text, typed, write
from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput, NotFound
from tui_chat.local.header import (
    FIRST_READ,
    LARGEST_HEADER,
    NAME_LENGTH,
    Header,
    TooShort,
    clean_name,
    name_of,
    parse_header,
    parts_of,
    read_header,
)

HUGE = 2**64 - 1


def test_a_header_says_what_the_model_is() -> None:
    header = parse_header(gguf(), whole=True)

    assert ("llama", "model", True) == (header.architecture, header.kind, header.can_chat)
    assert 131072 == header.number("context_length")
    assert 8 == header.number("attention.head_count_kv")
    assert 0 == header.number("attention.key_length")


@pytest.mark.parametrize("version", [2, 3])
def test_entries_are_read_in_any_order(version: int) -> None:
    header = parse_header(gguf(dict(reversed(list(LLAMA.items()))), version=version), whole=True)

    assert parse_header(gguf(), whole=True) == header


def test_figures_that_differ_by_layer_are_kept_as_a_list() -> None:
    header = parse_header(gguf(llama({"llama.attention.head_count_kv": [0, 8, 4]})), whole=True)

    assert (0, 8, 4) == header.shape["attention.head_count_kv"]
    assert 8 == header.number("attention.head_count_kv")


def test_figures_of_another_architecture_do_not_count() -> None:
    header = parse_header(gguf({"clip.context_length": 77, **LLAMA}), whole=True)

    assert 131072 == header.number("context_length")


@pytest.mark.parametrize(
    ("changed", "can_chat"),
    [
        ({}, True),
        ({"general.architecture": "qwen3moe"}, True),
        ({"general.architecture": "clip"}, False),
        ({"general.architecture": "nomic-bert"}, False),
        ({"general.architecture": "gemma-embedding"}, False),
        ({"general.type": "adapter"}, False),
        ({"general.type": 7}, False),
    ],
)
def test_projectors_encoders_and_adapters_cannot_chat(changed: dict[str, Value], can_chat: bool) -> None:
    assert can_chat == parse_header(gguf(llama(changed)), whole=True).can_chat


def test_the_vocabulary_is_not_read_where_it_is_not_needed() -> None:
    beginning = gguf()[: gguf().index(b"tokenizer") + len("tokenizer.ggml.tokens")]

    assert parse_header(gguf(), whole=True) == parse_header(beginning, whole=False)


def test_a_list_longer_than_any_model_has_layers_is_not_kept() -> None:
    header = parse_header(gguf(llama({"llama.attention.head_count_kv": [8] * 1025})), whole=True)

    assert "attention.head_count_kv" not in header.shape
    assert 131072 == header.number("context_length")


def test_a_large_vocabulary_before_the_figures_is_walked_over(tmp_path: Path) -> None:
    vocabulary = {"tokenizer.ggml.tokens": [f"word{number}" for number in range(30_000)]}
    path = write(tmp_path / "m.gguf", gguf(llama(vocabulary)))

    header, size = read_header(path, follow=False)

    assert size > FIRST_READ
    assert 131072 == header.number("context_length")


def test_a_vocabulary_beyond_all_bounds_ends_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", gguf({"general.architecture": "llama", "llama.vocab": "z" * LARGEST_HEADER}))

    header, _ = read_header(path, follow=False)

    assert Header("llama") == header


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


@pytest.mark.parametrize(
    "data",
    [
        gguf(count=HUGE)[:-60],
        gguf(count=len(LLAMA) + 1).replace(b"tokenizer", b"lokenizer"),
        gguf({}) + b"",
        gguf({}, count=1) + struct.pack("<Q", HUGE),
        gguf({}, count=1) + entry("general.name", 8, struct.pack("<Q", HUGE)),
        gguf({}, count=1) + entry("general.name", 9, struct.pack("<IQ", 8, HUGE)),
        gguf({}, count=1) + entry("general.name", 9, struct.pack("<IQ", 4, HUGE)),
        gguf({}, count=1) + entry("general.name", 9, struct.pack("<IQ", 9, 1)),
        gguf({}, count=1) + entry("general.name", 99, b""),
        gguf({"general.architecture": ""}),
        gguf({"general.architecture": 7}),
        gguf({"general.architecture": "x" * 300}),
        b"GGUF",
    ],
    ids=lambda data: repr(data[24:44]),
)
def test_wrong_lengths_counts_and_types_are_damage(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(BadInput) as caught:
        parse_header(data, whole=True, name="m")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "m is damaged or incomplete." == str(caught.value)
    assert peak < 1_000_000, "memory was taken by a number of the file"


def test_beginnings_that_are_too_short_ask_for_more() -> None:
    with pytest.raises(TooShort):
        parse_header(gguf()[:60], whole=False)


@pytest.mark.parametrize("data", [b"", b"GGU", b"hello", b"FUGG" + bytes(100), b"PK\x03\x04", b"gguf" + bytes(100)])
def test_another_file_is_no_gguf_file(data: bytes) -> None:
    with pytest.raises(BadInput, match="is not a GGUF file"):
        parse_header(data, whole=True)


@pytest.mark.parametrize("version", [0, 1, 4, 0x03000000])
def test_versions_nobody_reads_are_refused(version: int) -> None:
    with pytest.raises(BadInput, match="of a version"):
        parse_header(gguf(version=version), whole=True)


def header_or_sentence(data: bytes) -> str:
    try:
        return parse_header(data, whole=True).architecture
    except BadInput as error:
        return error.sentence


@settings(deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_give_a_header_or_a_sentence(data: bytes, magic: bool) -> None:
    assert header_or_sentence(b"GGUF\x03\0\0\0" + data if magic else data)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_header_gives_a_header_or_a_sentence(data: st.DataObject) -> None:
    whole = gguf(llama({"llama.attention.head_count_kv": [8, 0, 8]}))
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=4)):
        damaged[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
    assert header_or_sentence(bytes(damaged))


scalars = st.one_of(st.text(max_size=20), st.integers(-(2**63), 2**64 - 1), st.floats(width=32), st.booleans())
values = st.one_of(scalars, st.lists(st.integers(0, 2**32 - 1), max_size=5))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=20).map("x.".__add__), values, max_size=8), st.integers(0, 2**64 - 1))
def test_foreign_entries_hide_nothing(others: dict[str, str | int | list[int]], window: int) -> None:
    data = gguf({**others, "general.architecture": "llama", "llama.context_length": window})

    assert {"context_length": window} == parse_header(data, whole=True).shape


def test_hundreds_of_thousands_of_entries_are_not_kept() -> None:
    many = b"".join(text(f"{number:x}.block_count") + typed(number) for number in range(50_000))

    tracemalloc.start()
    with pytest.raises(BadInput):
        parse_header(gguf({}, count=HUGE) + many, whole=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 3_000_000 + len(many)


# -- files and names ----------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        read_header(tmp_path / "no.gguf", follow=True)


def test_a_name_that_no_file_can_have_is_not_found() -> None:
    with pytest.raises(NotFound):
        read_header(Path("/tmp/a\0b.gguf"), follow=True)


def test_folders_and_pipes_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")

    for path in (tmp_path, tmp_path / "pipe.gguf"):
        with pytest.raises(BadInput, match="is not a file"):
            read_header(path, follow=True)


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["a.txt"], "It is a folder with no .gguf file right in it. Name the model's file."),
        (["b.GGUF", "\x1b[2Ja.gguf", "c.txt"], "It is a folder; in it are b.GGUF, \ufffd[2Ja.gguf: add a name."),
        (["1.gguf", "2.gguf", "3.gguf", "4.gguf"], "It is a folder; in it are 1.gguf, 2.gguf, 3.gguf, …: add a name."),
    ],
)
def test_of_a_folder_the_model_files_are_named(tmp_path: Path, names: list[str], hint: str) -> None:
    for name in names:
        (tmp_path / name).touch()

    with pytest.raises(BadInput) as caught:
        read_header(tmp_path, follow=True)

    assert hint == caught.value.hint


def test_a_link_is_followed_only_where_that_is_wanted(tmp_path: Path) -> None:
    write(tmp_path / "m.gguf")
    (tmp_path / "link.gguf").symlink_to("m.gguf")

    assert "llama" == read_header(tmp_path / "link.gguf", follow=True)[0].architecture
    with pytest.raises(BadInput, match="cannot be read"):
        read_header(tmp_path / "link.gguf", follow=False)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Qwen3-8B-Q4_K_M"),
        ("big-00001-of-00003.gguf", "big"),
        ("Model.GGUF", "Model"),
        ("a,b\n\x1b[31mc\u202e .gguf", "a_b �[31mc"),
        (" .gguf", "model"),
        ("x" * 200 + ".gguf", "x" * NAME_LENGTH),
        (os.fsdecode(b"caf\xe9.gguf"), "caf�"),
    ],
)
def test_a_model_is_called_after_its_file_in_one_clean_line(file: str, name: str) -> None:
    assert name == name_of(Path(file))


@settings(deadline=None)
@given(st.text())
def test_every_name_is_one_alias(raw: str) -> None:
    name = clean_name(raw)

    assert name
    assert name == name.strip()
    assert "," not in name
    assert name == clean_line(name) == clean_name(name)
    assert [name] == name.splitlines()


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("m.gguf", ["m.gguf"]),
        ("m-00002-of-00002.gguf", ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]),
        ("m-00003-of-00002.gguf", ["m-00003-of-00002.gguf"]),
        ("m-00000-of-00002.gguf", ["m-00000-of-00002.gguf"]),
        ("m-00001-of-99999.gguf", ["m-00001-of-99999.gguf"]),
    ],
)
def test_parts_belong_together(file: str, parts: list[str]) -> None:
    assert parts == [path.name for path in parts_of(Path("/models") / file)]
