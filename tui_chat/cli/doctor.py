"""Whether everything is in order: what is installed, the keyring, the history, file modes, the endpoints."""

from __future__ import annotations

import click

from tui_chat.cli import options, output
from tui_chat.cli.models import all_models
from tui_chat.cli.run import Run, pass_run, run_until_done
from tui_chat.core.errors import TuiChatError
from tui_chat.services.program import Check


@click.command()
@options.as_json
@pass_run
def doctor(run: Run, as_json: bool) -> None:
    """Check the installation, the history and the endpoints; prints no secret."""
    checks = run_until_done(_checks(run))
    if as_json:
        output.document({"checks": [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in checks]})
        return
    for each in checks:
        output.line(f"{'ok  ' if each.ok else 'FAIL'}  {each.name}: {output.shown_line(each.detail)}")


async def _checks(run: Run) -> list[Check]:
    program = run.program()
    checks = list(await program.checks())
    try:
        is_there = await program.access().exists()
        async with run.history(create=False, writes=False) as services:
            verdict = await services.check_integrity()
            checks.append(Check("history", verdict == "ok", verdict if is_there else "none yet"))
            for each in await all_models(services):
                detail = each["error"] or f"{each['url']}, {len(each['models'])} models"
                checks.append(Check(f"endpoint {each['endpoint']}", each["reachable"], detail))
    except TuiChatError as error:
        checks.append(Check("history", False, error.sentence))
    return checks
