"""Keys that a command prints: run without a shell and without a terminal, and never told to anybody."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeProviders, ScriptedProvider
from tests.services.test_endpoints import Desk
from tui_chat.core.errors import Refused, Unauthorized
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.services import key_command
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.key_command import LONGEST_KEY, printed_key

CANARY = "sk-canary-0123456789abcdef"
MODEL = ModelRef("work", "m")


def endpoint(*words: str, url: str = "https://models.example/v1") -> Endpoint:
    return Endpoint("work", url, key_command=shlex.join(words))


def python(code: str) -> Endpoint:
    return endpoint(sys.executable, "-c", code)


# -- what is run -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        f"print('{CANARY}')",
        f"print('{CANARY}\\nlogin: me')",
        f"print(' {CANARY}\\r')",
        f"import sys; sys.stdout.write('{CANARY}')",
        f"print('{CANARY}'); print('x' * 1_000_000)",
        f"import sys; print('{CANARY}'); print('trouble', file=sys.stderr)",
    ],
)
async def test_the_key_is_the_first_line_that_is_printed(code: str) -> None:
    assert Secret(CANARY) == await printed_key(python(code))


async def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    line = Endpoint("work", "https://a", key_command=f"echo $HOME `id` ; touch {tmp_path}/made > {tmp_path}/file")

    key = await printed_key(line)

    assert Secret(f"$HOME `id` ; touch {tmp_path}/made > {tmp_path}/file") == key
    assert [] == list(tmp_path.iterdir())


async def test_the_command_gets_no_terminal_and_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPG_TTY", "/dev/tty")
    code = (
        "import os, sys; alone = os.getsid(0) == os.getpid();"
        "print(f'{alone} {os.environ.get(\"GPG_TTY\")} {sys.stdin.read()!r}')"
    )

    assert Secret("True None ''") == await printed_key(python(code))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (python(f"print('{CANARY}'); raise SystemExit(3)"), "failed (exit code 3)"),
        (python(f"import sys; sys.exit('{CANARY}')"), "failed (exit code 1)"),
        (python("pass"), "printed no key"),
        (python(f"print(); print('{CANARY}')"), "printed no key"),
        (endpoint("no-such-program-here", "show"), "There is no program “no-such-program-here”"),
        (endpoint("/"), "This computer does not run “/”"),
        (Endpoint("work", "https://a", key_command="'"), "This computer does not run “”"),
    ],
)
async def test_a_command_that_prints_no_key_is_said_without_what_it_printed(asked: Endpoint, words: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        await printed_key(asked)

    assert words in str(caught.value)
    assert caught.value.hint
    assert CANARY not in str(caught.value)


async def test_output_without_end_is_neither_kept_nor_waited_for() -> None:
    code = f"import itertools; all(print('x' * {LONGEST_KEY}) is None for _ in itertools.repeat(0))"

    with pytest.raises(Unauthorized, match=r"did not end within 0\.2 seconds"):
        await printed_key(python(code), seconds=0.2)


@pytest.mark.parametrize("ended", ["too slow", "cancelled"])
async def test_a_command_that_is_given_up_is_killed_with_all_it_started(ended: str, tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    # Both hold the fifo open: its end is read when neither lives.
    asked = endpoint("sh", "-c", f"exec 9> {fifo}; echo here >&9; sleep 1000 & sleep 1000")
    running = asyncio.create_task(printed_key(asked, seconds=1.0 if ended == "too slow" else 60))
    alive = await asyncio.to_thread(fifo.open)
    assert "here\n" == await asyncio.to_thread(alive.readline)
    if ended == "cancelled":
        running.cancel()

    with pytest.raises(Unauthorized if ended == "too slow" else asyncio.CancelledError):
        await running
    async with asyncio.timeout(10):
        assert "" == await asyncio.to_thread(alive.read)
    alive.close()


async def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_command, "LAST_WORDS", 0.05)
    fifo = tmp_path / "agent"
    os.mkfifo(fifo)

    key = await printed_key(endpoint("sh", "-c", f"setsid cat {fifo} & echo {CANARY}"))

    assert Secret(CANARY) == key
    await asyncio.to_thread(fifo.write_text, "end")


# -- when it is run ------------------------------------------------------------------------------


@pytest.fixture
def counted(tmp_path: Path) -> tuple[Endpoint, Path]:
    """An endpoint whose command leaves a line in a file each time it is run."""
    runs = tmp_path / "runs"
    return python(f"open({str(runs)!r}, 'a').write('run\\n'); print('{CANARY}')"), runs


async def test_a_command_that_is_new_in_the_settings_file_is_run_only_after_consent(
    store: ConversationStore, counted: tuple[Endpoint, Path]
) -> None:
    work, runs = counted
    desk = Desk(store, work)

    with pytest.raises(Refused, match="command of the settings file"):
        await desk.service.provider(MODEL)
    with pytest.raises(Refused):
        await desk.service.models(work)
    assert not runs.exists()
    await desk.service.give_consent(work)
    await desk.service.provider(MODEL)
    await desk.service.provider(MODEL)

    assert "run\n" == runs.read_text()
    assert [(work, Secret(CANARY))] == desk.providers.opened


@pytest.mark.parametrize("change", [{"base_url": "https://evil.example/v1"}, {"key_command": "echo other"}])
async def test_consent_is_for_this_command_at_this_address(
    change: dict[str, str], store: ConversationStore, counted: tuple[Endpoint, Path]
) -> None:
    desk = Desk(store)
    await desk.service.save(counted[0])
    changed = replace(counted[0], **change)  # type: ignore[arg-type]

    assert not await desk.service.needs_consent(counted[0])
    assert await desk.service.needs_consent(changed)


async def test_who_enters_a_command_is_not_asked_and_saving_runs_nothing(
    store: ConversationStore, counted: tuple[Endpoint, Path]
) -> None:
    work, runs = counted
    desk = Desk(store)

    await desk.service.save(work)

    assert not await desk.service.needs_consent(work)
    assert not runs.exists()


async def test_a_command_line_takes_the_settings_as_the_users_choice(
    store: ConversationStore, counted: tuple[Endpoint, Path]
) -> None:
    providers = FakeProviders(ScriptedProvider())
    settings = Settings(endpoints=(counted[0],))
    service = EndpointService(providers, store, lambda: settings, lambda _: None, {}, asks_consent=False)

    await service.provider(MODEL)

    assert [Secret(CANARY)] == [key for _, key in providers.opened]


async def test_a_slow_command_holds_up_no_other_endpoint(store: ConversationStore, tmp_path: Path) -> None:
    fifo = tmp_path / "gate"
    os.mkfifo(fifo)
    slow = endpoint("cat", str(fifo))
    desk = Desk(store, slow, Endpoint("home", "http://127.0.0.1:8080/v1"))
    await desk.service.give_consent(slow)
    waiting = [asyncio.create_task(desk.service.provider(MODEL)) for _ in range(2)]
    gate = await asyncio.to_thread(fifo.open, "w")  # once the command runs

    await desk.service.provider(ModelRef("home", "m"))
    await desk.service.save(Endpoint("third", "http://127.0.0.1:1/v1"), Secret("k"))
    opened_meanwhile = [each.name for each, _ in desk.providers.opened]
    gate.write(f"{CANARY}\n")
    gate.close()
    first, second = await asyncio.gather(*waiting)

    assert ["home"] == opened_meanwhile
    assert first is second


async def test_an_environment_variable_counts_before_a_command(
    store: ConversationStore, counted: tuple[Endpoint, Path]
) -> None:
    work = replace(counted[0], key_env="WORK_KEY")
    desk = Desk(store, work, environment={"WORK_KEY": "sk-env"})

    await desk.service.provider(MODEL)

    assert [Secret("sk-env")] == [key for _, key in desk.providers.opened]
    assert not counted[1].exists()


async def test_a_printed_key_is_in_no_repr(store: ConversationStore) -> None:
    key = await printed_key(python(f"print('{CANARY}')"))

    assert CANARY not in repr(key)
    assert CANARY not in f"{key}"
