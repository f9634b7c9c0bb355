"""What opens the history: its slots, a new passphrase, a new recovery code, the way back in with one."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tui_chat.cli import options, output
from tui_chat.cli.asking import confirm, may_prompt
from tui_chat.cli.run import DEFAULT_USER, Run, no_history_of, pass_run, run_until_done
from tui_chat.cli.unlock import Unlocking
from tui_chat.core.errors import KeyringLocked, KeyringUnavailable
from tui_chat.services.program import Program, Services


@click.group()
def keys() -> None:
    """What opens the history: keyring, passphrase, recovery code."""


@keys.command()
@options.as_json
@pass_run
def status(run: Run, as_json: bool) -> None:
    """Which slots can open the history, and this computer's keyring. Opens nothing."""

    async def body(program: Program) -> tuple[Sequence[str], str | None]:
        access = program.access()
        if program.user != DEFAULT_USER and not await access.exists():
            raise no_history_of(program.user)
        return await access.slots(), await access.keyring()

    slots, keyring = run.do(body)
    if as_json:
        output.document({"slots": list(slots), "keyring": keyring})
        return
    output.line(f"slots: {', '.join(slots) or 'none yet'}")
    output.line(f"keyring: {keyring or 'none'}")


@keys.command()
@pass_run
def passphrase(run: Run) -> None:
    """Set a passphrase (from TUI_CHAT_NEW_PASSPHRASE_FILE, or asked for twice)."""

    async def body(services: Services) -> None:
        await services.keys.set_passphrase(await Unlocking(run.environment).new_passphrase())
        output.note("The new passphrase opens the history.")

    run.with_history(body)


@keys.command()
@pass_run
def recovery(run: Run) -> None:
    """Make a new recovery code and print it; one made before no longer opens anything."""

    async def body(services: Services) -> None:
        replaces = "recovery" in await services.keys.slots()
        if replaces and may_prompt():
            confirm("A recovery code exists. Make a new one, and let the one you have open nothing any more?")
        code = await services.keys.make_recovery_code()
        if replaces:
            output.note("The code you had no longer works.")
        output.note("Write this recovery code down and keep it away from this computer. It is shown only now.")
        output.line(code)

    run.with_history(body)


@keys.command()
@pass_run
def recover(run: Run) -> None:
    """Open the history with the recovery code and give it a new passphrase or keyring entry.

    The code is asked for, or read from the file named by TUI_CHAT_RECOVERY_FILE.
    """

    async def body() -> None:
        unlocking = Unlocking(run.environment)
        access = run.program().access()
        services = await access.open_with_recovery(await unlocking.recovery_code())
        try:
            output.note(await _set_new_way(services, unlocking))
        finally:
            await services.close()

    run_until_done(body())


async def _set_new_way(services: Services, unlocking: Unlocking) -> str:
    """Give it the passphrase of a file where one is named, else the keyring, else a passphrase asked for."""
    if not unlocking.has_new_passphrase and await services.keys.keyring() is not None:
        try:
            await services.keys.add_keyring()
        except (KeyringUnavailable, KeyringLocked) as error:
            output.note(str(error))
        else:
            return "The keyring opens the history again."
    await services.keys.set_passphrase(await unlocking.new_passphrase())
    return "The new passphrase opens the history."
