"""Every reason to stop of every dialect is said in words for people, or nothing is said where the model was done."""

from __future__ import annotations

import pytest

from tests.providers.test_anthropic import TestAnthropic as Anthropic
from tests.providers.test_gemini import TestGemini as Gemini
from tests.providers.test_ollama import TestOllama as Ollama
from tests.providers.test_openai import TestOpenAI as OpenAI
from tui_chat.core.events import Finished
from tui_chat.providers.anthropic_stream import MessageStream
from tui_chat.providers.gemini_stream import ContentStream
from tui_chat.providers.ollama_stream import OllamaStream
from tui_chat.providers.openai_stream import ChatStream
from tui_chat.providers.reading import Reading
from tui_chat.providers.refusals import Speaker
from tui_chat.services.arriving import ending_of

LENGTH = "The reply was cut off at the model's length limit."
FILTER = "The service's content filter ended the reply."
TOOL = "The model asked for a tool; tui_chat offers it none."


@pytest.mark.parametrize(
    ("dialect", "reading", "reason", "sentence"),
    [
        (OpenAI, ChatStream, "stop", None),
        (OpenAI, ChatStream, "length", LENGTH),
        (OpenAI, ChatStream, "content_filter", FILTER),
        (OpenAI, ChatStream, "tool_calls", TOOL),
        (OpenAI, ChatStream, "function_call", TOOL),
        (OpenAI, ChatStream, "odd\x1b[2J", "The service ended the reply: odd [2J."),
        (Anthropic, MessageStream, "end_turn", None),
        (Anthropic, MessageStream, "stop_sequence", None),
        (Anthropic, MessageStream, "max_tokens", LENGTH),
        (Anthropic, MessageStream, "tool_use", TOOL),
        (Anthropic, MessageStream, "refusal", "The model declined to answer."),
        (Anthropic, MessageStream, "pause_turn", "The service paused the reply; ask it to go on."),
        (
            Anthropic,
            MessageStream,
            "model_context_window_exceeded",
            "The reply was cut off: the model's context window is full.",
        ),
        (Gemini, ContentStream, "STOP", None),
        (Gemini, ContentStream, "MAX_TOKENS", LENGTH),
        (Gemini, ContentStream, "SAFETY", FILTER),
        (Gemini, ContentStream, "PROHIBITED_CONTENT", FILTER),
        (Gemini, ContentStream, "SPII", FILTER),
        (Gemini, ContentStream, "BLOCKLIST", FILTER),
        (Gemini, ContentStream, "RECITATION", "The service ended the reply because it repeated published text."),
        (Gemini, ContentStream, "MALFORMED_RESPONSE", "The service ended the reply: malformed response."),
        (Ollama, OllamaStream, "stop", None),
        (Ollama, OllamaStream, "length", LENGTH),
        (Ollama, OllamaStream, "odd", "The service ended the reply: odd."),
    ],
)
def test_a_reason_to_stop_is_said_in_words(
    dialect: type[OpenAI | Anthropic | Gemini | Ollama], reading: type[Reading], reason: str, sentence: str | None
) -> None:
    read = reading(Speaker("here", "http://here"))
    body = dialect().answer("Half.", reason=reason)

    deltas = list(read.feed(body))
    deltas += [] if read.complete else read.feed(b"")

    assert isinstance(deltas[-1], Finished)
    assert sentence == ending_of(deltas[-1].reason)
