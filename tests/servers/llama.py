"""The real llama.cpp server with a tiny model, for any test that wants a real stream.

``llama_server(mode, ctx=...)`` runs the server of the ``xllamacpp`` wheel as a child process on
a free loopback port and gives its OpenAI base URL; ``require_llama()`` skips the test where the
wheel is missing (and fails it where ``TUI_CHAT_REQUIRE_SERVERS=1``).

The model is a GGUF file that ``write_model`` makes in milliseconds: real file, tokenizer, chat
template and sampling, but its one layer is zero, so it is an exact table of which token follows
which and its reply is chosen in advance:

``chat``   says ``REPLY``, then ends its turn              (finish_reason ``stop``)
``think``  says ``THOUGHT`` behind ``<think>``, then that  (reasoning_content)
``loop``   goes on for ever, words drawn at random         (cancel; finish_reason ``length``)

Characters that are no word of the list cost one token per UTF-8 byte, so prompts are measured:
a prompt of N letters ``z`` is N tokens and 19 of the template.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import pytest

Mode = Literal["chat", "think", "loop"]

START_SECONDS = 60
"""A bound for a loaded machine; it usually takes a tenth of a second."""

# fmt: off
REPLY_WORDS = (
    "Hello", " from", " a", " tiny", " **bigram**", " model", ";", " every", " word", " is", " scripted", ",", " none",
    " was", " learned", ".", "\n\n```python\n", "print(", "'hi'", ")", "\n```", "\n\n- ", "list", " item", "\n- ",
    "naïve", " café", " 漢字", " 🙂", " end",
)
# fmt: on
THOUGHT_WORDS = ("Let", " me", " ponder", " this", " quietly")
REPLY = "".join(REPLY_WORDS)
THOUGHT = "".join(THOUGHT_WORDS)

WIDTH = 64
"""Of an embedding: enough for 300 random directions to stay apart."""

CERTAIN = 6.0
"""Times the square root of ``WIDTH`` = 48 logits ahead: certain at any usual temperature."""

LOOSE = 1.5

TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\n' }}@THOUGHT@{{- message['content'] }}"
    "{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}@PREFILL@{%- endif %}"
)
# By these two the server knows that the template thinks, and parses the tags.
THOUGHT_TEMPLATE = (
    "{%- if message.reasoning_content %}{{- '<think>\n' + message.reasoning_content + '\n</think>' }}{%- endif %}"
)
PREFILL_TEMPLATE = (
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>' }}{%- endif %}"
)


def require_llama() -> None:
    """Skip the calling test, with a reason, where the server cannot be had."""
    if importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("gguf"):
        return
    if os.environ.get("TUI_CHAT_REQUIRE_SERVERS") == "1":
        pytest.fail("xllamacpp and gguf are required here (pip install -e '.[dev]')")
    pytest.skip("needs xllamacpp and gguf (pip install -e '.[dev]')")


@contextmanager
def llama_server(mode: Mode = "chat", *, ctx: int = 512) -> Iterator[str]:
    """A running server; gives its OpenAI base URL, ``http://127.0.0.1:PORT/v1``."""
    with tempfile.TemporaryDirectory(prefix="tui-chat-llama-") as folder:
        model = Path(folder) / f"tiny-{mode}.gguf"
        write_model(model, mode, ctx=ctx)
        with (Path(folder) / "log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, __file__, str(model), str(ctx)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        watchdog = threading.Timer(START_SECONDS, server.kill)
        watchdog.start()
        try:
            yield f"{_address(server, Path(folder) / 'log')}/v1"
        finally:
            watchdog.cancel()
            server.terminate()
            server.wait(10)
            cast(Any, server.stdout).close()


def _address(server: subprocess.Popen[str], log: Path) -> str:
    """What the child prints once it serves; its log in the failure where it does not."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("listening on "):
            return line.split()[-1]
    raise AssertionError(f"llama.cpp did not start: {log.read_text()[-2000:]}")


# -- the model --------------------------------------------------------------------------


class Vocabulary:
    """Tokens in order: the specials, all bytes, a space, and the words that are one token each."""

    def __init__(self) -> None:
        from gguf import TokenType

        self.tokens: list[bytes] = []
        self.types: list[int] = []
        self._user_defined = int(TokenType.USER_DEFINED)
        self.unknown = self._add("<unk>", TokenType.UNKNOWN)
        self.begin = self._add("<s>", TokenType.CONTROL)
        self.pad = self._add("</s>", TokenType.CONTROL)
        bytes_begin = len(self.tokens)
        for byte in range(256):
            self._add(f"<0x{byte:02X}>", TokenType.BYTE)
        self.newline = bytes_begin + ord("\n")
        self._add("\u2581", TokenType.NORMAL)
        self._add("<|im_start|>", TokenType.CONTROL)
        self.turn_end = self._add("<|im_end|>", TokenType.CONTROL)
        words = ("<think>", "</think>", *REPLY_WORDS, *THOUGHT_WORDS)
        # User-defined tokens are matched as they stand, before a text falls back to bytes.
        self.ids = {word: self._add(word, TokenType.USER_DEFINED) for word in words}

    def _add(self, text: str, kind: int) -> int:
        self.tokens.append(text.encode())
        self.types.append(int(kind))
        return len(self.tokens) - 1

    @property
    def scores(self) -> list[float]:
        return [0.0 if kind == self._user_defined else -1000.0 for kind in self.types]


def write_model(path: Path, mode: Mode, *, ctx: int = 512) -> None:
    """A GGUF of about 0.3 MB for a context window of ``ctx`` tokens."""
    import numpy as np
    from gguf import GGUFWriter

    words = Vocabulary()
    directions, follows = _table(words, mode)
    writer = GGUFWriter(path, "llama")
    _write_shape(writer, words, mode, ctx)
    ones, zeros = np.ones(WIDTH, np.float32), np.zeros((WIDTH, WIDTH), np.float32)
    writer.add_tensor("token_embd.weight", directions)
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", ones)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", zeros)
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", follows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _table(words: Vocabulary, mode: Mode) -> tuple[Any, Any]:
    """A random direction for each token, and for each the sum of the directions that it may follow."""
    import numpy as np

    random = np.random.default_rng(7)
    directions = random.standard_normal((len(words.tokens), WIDTH)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    follows = np.zeros_like(directions)
    reply = [words.ids[word] for word in REPLY_WORDS]
    if mode == "loop":
        for token in reply:
            earlier = random.choice(reply, 6, replace=False)
            follows[token] = directions[earlier].sum(axis=0) + directions[words.newline]
        return directions, follows * LOOSE
    thought = [words.ids[word] for word in ("<think>", *THOUGHT_WORDS, "</think>")] if mode == "think" else []
    chain = [words.newline, *thought, *reply, words.turn_end]
    for before, follower in pairwise(chain):
        follows[follower] += directions[before]
    return directions, follows * CERTAIN


def _write_shape(writer: Any, words: Vocabulary, mode: Mode, ctx: int) -> None:
    """The metadata: a llama of one layer, its tokenizer and its chat template."""
    from gguf import LlamaFileType

    writer.add_name(f"tiny-{mode}")
    writer.add_description("scripted table for tests; not a trained model")
    writer.add_context_length(ctx)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(WIDTH // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(words.tokens))
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words.tokens)
    writer.add_token_scores(words.scores)
    writer.add_token_types(words.types)
    writer.add_bos_token_id(words.begin)
    writer.add_eos_token_id(words.turn_end)
    writer.add_unk_token_id(words.unknown)
    writer.add_pad_token_id(words.pad)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    thinks = mode == "think"
    writer.add_chat_template(
        TEMPLATE.replace("@THOUGHT@", THOUGHT_TEMPLATE if thinks else "").replace(
            "@PREFILL@", PREFILL_TEMPLATE if thinks else ""
        )
    )


# -- the child process ------------------------------------------------------------------


def serve(model: str, ctx: int) -> None:
    """Serve until SIGTERM. In a process of its own: a crash of the native code stays there."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = ctx
    params.model_alias = {Path(model).stem}
    params.n_parallel = 1  # with more, the context is divided among them
    params.cpuparams.n_threads = 1
    params.port = 0
    params.endpoint_slots = True
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = xllamacpp.Server(params)
    print("listening on", server.listening_address, flush=True)
    stopped.wait()
    del server


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
