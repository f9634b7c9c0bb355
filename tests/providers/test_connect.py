"""The table of dialects is whole, and endpoints are opened by it."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import tui_chat.providers
from tui_chat.core.errors import BadInput
from tui_chat.core.settings import DIALECTS as known_to_the_settings
from tui_chat.core.settings import Endpoint
from tui_chat.providers import DIALECTS
from tui_chat.providers.anthropic import AnthropicProvider
from tui_chat.providers.connect import HttpProviders
from tui_chat.providers.gemini import GeminiProvider
from tui_chat.providers.guide import GuideProvider
from tui_chat.providers.ollama import OllamaProvider
from tui_chat.providers.openai import OpenAIProvider


def test_every_dialect_is_in_the_table() -> None:
    names = [f"tui_chat.providers.{module.name}" for module in pkgutil.iter_modules(tui_chat.providers.__path__)]
    written = {
        value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and value.__module__ == name and hasattr(value, "dialect")
    }

    assert written == set(DIALECTS)


def test_each_dialect_is_opened_by_its_name() -> None:
    providers = HttpProviders()
    opened = [type(providers.open(Endpoint("x", "https://example.com", each.dialect), None)) for each in DIALECTS]

    assert [OpenAIProvider, AnthropicProvider, GeminiProvider, OllamaProvider, GuideProvider] == opened


def test_the_settings_know_every_dialect_but_the_guides() -> None:
    assert {each.dialect for each in DIALECTS} == {*known_to_the_settings, GuideProvider.dialect}


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput) as caught:
        HttpProviders().open(Endpoint("x", "https://example.com", "klingon"), None)

    assert "openai" in caught.value.hint
