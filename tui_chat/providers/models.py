"""Lists of models: where each server hides the context window, and what of the list may be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.ports import ModelCard
from tui_chat.providers.refusals import clean

MOST_MODELS = 5000
LONGEST_NAME = 200
LM_STUDIO = "organization_owner"
"""What LM Studio gives as the owner of every model."""


def entries(value: Any) -> tuple[Mapping[str, Any], ...] | None:
    """The descriptions in an answer to ``GET /models``; None where it is no such answer."""
    data = value.get("data", ()) if isinstance(value, dict) and "data" in value else value
    if data is None:  # Ollama without a model
        return ()
    if not isinstance(data, list):
        return None
    described = tuple(
        entry for entry in data[:MOST_MODELS] if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    )
    return described if described or not data else None


def cards(
    described: tuple[Mapping[str, Any], ...],
    windows: Mapping[str, int] | None = None,
    sees: Mapping[str, bool] | None = None,
) -> tuple[ModelCard, ...]:
    """A card for each; what was learned elsewhere, by the server's own name: ``windows``, and what ``sees`` images."""
    known, eyes = windows or {}, sees or {}
    found: dict[str, ModelCard] = {}
    for entry in described:
        name = clean(entry["id"], limit=LONGEST_NAME)
        if name:
            window, images = context_window(entry) or known.get(entry["id"]), takes_images(entry)
            images = eyes.get(entry["id"]) if images is None else images
            found.setdefault(name, ModelCard(name, window, takes_images=images))
    return tuple(found.values())


def context_window(entry: Mapping[str, Any]) -> int | None:
    """Tokens, where the server says how many: what it serves with, never what the model was trained for."""
    meta = entry.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    said = (
        inner.get("n_ctx"),  # llama.cpp, per slot
        entry.get("max_model_len"),  # vLLM
        entry.get("context_length"),  # OpenRouter, llama.cpp's router
        entry.get("max_input_tokens"),  # LiteLLM
    )
    return next(filter(None, map(_tokens, said)), None)


def takes_images(entry: Mapping[str, Any]) -> bool | None:
    """Whether it takes images, where the server says so."""
    modalities = _inside(entry, "architecture", "input_modalities")  # OpenRouter, llama.cpp
    if isinstance(modalities, list):
        return "image" in modalities
    said = _inside(entry, "capabilities", "image_input", "supported")  # Anthropic
    return said if isinstance(said, bool) else None


def lm_studio_sees(value: Any) -> dict[str, bool]:
    """Which models take images, from LM Studio's own list, of version 1 or 0."""
    found = {}
    for name, entry in _lm_studio(value):
        vision = _inside(entry, "capabilities", "vision")
        if isinstance(vision, bool):
            found[name] = vision
        elif "key" not in entry and entry.get("type") in ("llm", "vlm"):  # version 0; in 1 both kinds are an llm
            found[name] = entry["type"] == "vlm"
    return found


def lm_studio_windows(value: Any) -> dict[str, int]:
    """Context windows from LM Studio's own list, of version 1 or 0: those of loaded models only."""
    return dict(_loaded(value))


def _lm_studio(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lists = (value.get("models"), value.get("data")) if isinstance(value, dict) else ()
    for entry in (entry for each in lists if isinstance(each, list) for entry in each if isinstance(entry, dict)):
        name = entry.get("key") or entry.get("id")
        if isinstance(name, str):
            yield name, entry


def _loaded(value: Any) -> Iterator[tuple[str, int]]:
    for name, entry in _lm_studio(value):
        instances = entry.get("loaded_instances")
        configs = (
            [each.get("config") for each in instances if isinstance(each, dict)] if isinstance(instances, list) else []
        )
        said = [config.get("context_length") for config in configs if isinstance(config, dict)]
        tokens = next(filter(None, map(_tokens, (*said, entry.get("loaded_context_length")))), None)
        if tokens:
            yield name, tokens


def _inside(value: Any, *names: str) -> Any:
    """What stands there in objects within objects; None where one is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**10 else None
