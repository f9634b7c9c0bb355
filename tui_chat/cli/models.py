"""The models that the endpoints offer."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from tui_chat.cli import options, output
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import ModelRef
from tui_chat.core.settings import GUIDE, Endpoint
from tui_chat.services.endpoints import GGUF
from tui_chat.services.program import Services

Form = dict[str, Any]

DEADLINE = 10.0
"""Seconds that an endpoint has for its list of models."""


@click.command()
@options.as_json
@pass_run
def models(run: Run, as_json: bool) -> None:
    """Ask every endpoint which models it offers."""
    found = run.with_history(all_models, writes=False)
    if as_json:
        output.document(found)
        return
    if not found:
        output.note("No endpoint is set. Add one in the app (ctrl+o), or set a variable: `tui-chat guide start`.")
    for each in found:
        output.line(f"{each['endpoint']}  {output.shown_line(each['url'])}")
        if not each["reachable"]:
            output.line(f"  {output.shown_line(each['error'])}")
        for model in each["models"]:
            window = f"  {model['context_window']:,} tokens" if model["context_window"] else ""
            output.line(f"  {each['endpoint']}/{output.shown_line(model['name'])}{window}")


async def all_models(services: Services) -> list[Form]:
    """Every endpoint but the guide with its models, asked at once and for ``DEADLINE`` seconds at most.

    Behind them the model files that were opened, if any.
    """
    endpoints = [endpoint for endpoint in services.endpoints.all() if endpoint != GUIDE]
    if await services.local.remembered():
        endpoints.append(GGUF)
    return list(await asyncio.gather(*(_asked(services, endpoint) for endpoint in endpoints)))


async def _asked(services: Services, endpoint: Endpoint) -> Form:
    form: Form = {
        "endpoint": endpoint.name,
        "url": endpoint.base_url,
        "reachable": True,
        "error": None,
        "models": [],
    }
    try:
        if endpoint != GGUF:
            # A command for its key has a limit of its own.
            await services.endpoints.provider(ModelRef(endpoint.name, ""))
        async with asyncio.timeout(DEADLINE):
            cards = await services.endpoints.models(endpoint)
    except TuiChatError as error:
        return {**form, "reachable": False, "error": error.sentence}
    except TimeoutError:
        return {**form, "reachable": False, "error": f"{endpoint.name} did not answer within {DEADLINE:g} seconds."}
    return {**form, "models": [{"name": card.name, "context_window": card.context_window} for card in cards]}
