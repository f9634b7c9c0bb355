"""What a person is told where llama.cpp gives up; the lines are those of real servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui_chat.core.errors import BadInput, ServerFailed, TuiChatError
from tui_chat.core.local import GgufFile
from tui_chat.local.complaints import why_ended, why_not_started

MODEL = GgufFile(Path("/models/Tiny.gguf"), "Tiny", 1, "", "llama", 512, 512)

LAST = "0.00.010.476 E srv          init: exiting due to model loading error"


@pytest.mark.parametrize(
    ("line", "kind", "sentence"),
    [
        (
            "E llama_model_load: error loading model: tensor 'blk.0.attn_q.weight' data is not within the file bounds, "
            "model is corrupted or incomplete",
            BadInput,
            "Tiny is damaged or incomplete.",
        ),
        ("E gguf_init_from_reader: failed to read key-value pairs", BadInput, "Tiny is damaged or incomplete."),
        (
            "error loading model: unknown model architecture: 'later\x1b[31m'",
            ServerFailed,
            "This llama.cpp does not know models of the kind 'later�[31m'.",
        ),
        (
            "error loading model: done_getting_tensors: wrong number of tensors; expected 883, got 444",
            BadInput,
            "Tiny is damaged, or made for another program than llama.cpp.",
        ),
        (
            "E llama_init_from_model: failed to initialize the context: std::bad_alloc",
            ServerFailed,
            "There is not enough memory for Tiny.",
        ),
        (
            "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: "
            "out of memory",
            ServerFailed,
            "There is not enough memory for Tiny.",
        ),
        (
            "llama_model_load: error loading model: mmap failed: Cannot allocate memory",
            ServerFailed,
            "There is not enough memory for Tiny.",
        ),
        (
            "E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 18777",
            ServerFailed,
            "llama.cpp found no free port on this computer.",
        ),
        (
            "E llama_model_load_from_file_impl: no backends are loaded. hint: use ggml_backend_load()",
            ServerFailed,
            "llama.cpp is here, but a part of it is missing.",
        ),
        (
            "llama-server: error while loading shared libraries: libggml.so.0: cannot open shared object file",
            ServerFailed,
            "llama.cpp is here, but a part of it is missing.",
        ),
        ("error: invalid argument: --port", ServerFailed, "This llama.cpp is too old or too new for tui-chat."),
    ],
)
def test_what_went_wrong_is_said_in_a_sentence(line: str, kind: type[TuiChatError], sentence: str) -> None:
    error = why_not_started(MODEL, ["0.00.003 I srv: initializing", f"0.00.009.966 {line}"], 1)

    assert (kind, sentence) == (type(error), str(error))
    assert error.hint


def test_an_unknown_complaint_is_quoted_clean_and_short() -> None:
    error = why_not_started(MODEL, ["0.00.1 I first", "\x1b]0;owned\x07" + "x" * 500, " \n"], 1)

    assert re.fullmatch(r"llama\.cpp gave up: �]0;owned�x{100,160}\.", str(error))


def test_of_several_complaints_the_first_is_quoted() -> None:
    lines = ["0.00.1 I begin", "0.00.2 E model: something new", "0.00.3 E server: giving up", "0.00.4 I cleaning up"]

    assert "llama.cpp gave up: model: something new." == str(why_not_started(MODEL, lines, 1))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (128 + 9, "There is not enough memory for Tiny."),
        (128 + 11, "llama.cpp gave up: crashed (SIGSEGV)."),
        (128 + 4, "llama.cpp gave up: uses instructions that this processor does not have."),
        (3, "llama.cpp gave up: ended with code 3."),
    ],
)
def test_a_silent_end_is_told_by_its_code(code: int, sentence: str) -> None:
    assert sentence == str(why_not_started(MODEL, [], code))


def test_a_files_name_is_no_complaint() -> None:
    odd = GgufFile(Path("/corrupt/out of memory.gguf"), "out of memory", 1, "", "llama", 512, 512)
    lines = [
        "I srv load_model: loading model '/corrupt/out of memory.gguf'",
        "0.00.1 E something else about out of memory",
    ]

    assert "llama.cpp gave up: something else about out of memory." == str(why_not_started(odd, lines, 1))


@pytest.mark.parametrize(
    ("code", "memory", "sentence"),
    [
        (128 + 9, False, "The local model Tiny was ended: most likely there was not enough memory."),
        (1, True, "The local model Tiny was ended: most likely there was not enough memory."),
        (128 + 6, False, "The local model Tiny ended: llama.cpp crashed (SIGABRT)."),
        (0, False, "The local model Tiny ended: llama.cpp ended with code 0."),
    ],
)
def test_the_end_of_a_running_model_is_told(code: int, memory: bool, sentence: str) -> None:
    error = why_ended("Tiny", code, memory=memory)

    assert sentence == str(error)
    assert error.hint.startswith("The next prompt starts it again.")
