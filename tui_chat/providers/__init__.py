"""Model services: one wire dialect each, one way to fail, nothing sent that is not in the plan.

A dialect is a class with a ``dialect`` name; it is listed in ``DIALECTS`` and opened by
``connect.HttpProviders``. What they share: ``http`` (the connection), ``wire`` (what that must know
of the dialect), ``refusals`` and ``waits`` (what a refusal means and whether to try again),
``exchange`` (asking again, reading to the end), ``sse`` and ``reading`` (server-sent events and
answers made of them), ``turns`` (a payload as two sides that take turns), ``sent_key`` (which key
may go where), ``discovery`` (servers on this computer).

Decided: httpx only, never a vendor's SDK (seconds of import, hundreds of megabytes). What that
costs: each dialect is written and kept true by hand; its tests therefore run the vendor's SDK,
where there is one, as a reference client against the same fake server. httpx itself is imported
with the first request, because it would cost a fifth of the start.
"""

from tui_chat.providers.anthropic import AnthropicProvider
from tui_chat.providers.gemini import GeminiProvider
from tui_chat.providers.guide import GuideProvider
from tui_chat.providers.ollama import OllamaProvider
from tui_chat.providers.openai import OpenAIProvider

DIALECTS = (OpenAIProvider, AnthropicProvider, GeminiProvider, OllamaProvider, GuideProvider)
"""Every dialect; a new one is one module and one name here."""
