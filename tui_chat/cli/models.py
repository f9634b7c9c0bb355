"""The models that the endpoints offer."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from tui_chat.cli import options, output
from tui_chat.cli.run import Run, pass_run
from tui_chat.core.errors import TuiChatError
from tui_chat.core.settings import Endpoint
from tui_chat.services.endpoints import GUIDE
from tui_chat.services.program import Services

Form = dict[str, Any]


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
        output.note("No endpoint is set. Add one in the app (ctrl+o), or set OPENAI_BASE_URL and OPENAI_API_KEY.")
    for each in found:
        output.line(f"{each['endpoint']}  {output.shown_line(each['url'])}")
        if not each["reachable"]:
            output.line(f"  {output.shown_line(each['error'])}")
        for model in each["models"]:
            window = f"  {model['context_window']:,} tokens" if model["context_window"] else ""
            output.line(f"  {each['endpoint']}/{output.shown_line(model['name'])}{window}")


async def all_models(services: Services) -> list[Form]:
    """Every endpoint but the guide with its models, asked at once."""
    endpoints = [endpoint for endpoint in services.endpoints.all() if endpoint != GUIDE]
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
        cards = await services.endpoints.models(endpoint)
    except TuiChatError as error:
        return {**form, "reachable": False, "error": error.sentence}
    return {**form, "models": [{"name": card.name, "context_window": card.context_window} for card in cards]}
