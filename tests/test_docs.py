"""What README and guide say exists: every key, name, command, option, variable and exit code in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from textual.binding import Binding
from textual.dom import DOMNode

from tui_chat.cli.main import INTERRUPTED, cli
from tui_chat.core import errors
from tui_chat.core.guide import ORDER, topics
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.screens.chat import ChatScreen
from tui_chat.ui.screens.endpoint_form import EndpointForm
from tui_chat.ui.screens.model_file import ModelFileScreen
from tui_chat.ui.screens.models import ModelScreen
from tui_chat.ui.screens.unlock import UnlockScreen
from tui_chat.ui.widgets.chat_transcript import ChatTranscript
from tui_chat.ui.widgets.conversation_list import ConversationList
from tui_chat.ui.widgets.prompt import PromptInput

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {"README": README, **topics()}

START = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/tui-chat"
TEST = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest"

PARTS: tuple[type[DOMNode], ...] = (TuiChatApp, ChatScreen, PromptInput, ChatTranscript, ConversationList)
"""What has keys on the chat screen."""

DIALOGS: tuple[type[DOMNode], ...] = (UnlockScreen, ModelScreen, EndpointForm, ModelFileScreen)
"""Where the guide leads beyond it."""

KEY_NAMES = {
    "esc": "escape",
    "alt+↑": "alt+up",
    "alt+↓": "alt+down",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "/": "slash",
    "?": "question_mark",
}
"""Keys as people write them, where the bindings have other names for them."""


# -- keys ---------------------------------------------------------------------------------


def bindings_of(part: type[DOMNode]) -> Iterator[Binding]:
    """Every binding of a widget or screen and its own bases, one for each key."""
    for base in part.__mro__:
        if base.__module__.startswith("tui_chat."):
            yield from Binding.make_bindings(base.__dict__.get("BINDINGS", ()))


def keys_by_name() -> dict[str, set[str]]:
    """The keys of each action's name."""
    keys: dict[str, set[str]] = {}
    for part in PARTS:
        for binding in bindings_of(part):
            if binding.id is not None:
                keys.setdefault(binding.id, set()).add(binding.key)
    return keys


def rows(text: str, width: int, first: str) -> Iterator[list[str]]:
    """The cells of the rows of every table that has so many columns and such a first heading."""
    wanted = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if len(cells) != width:
            wanted = False
        elif cells[0] == first:
            wanted = True
        elif wanted and not set(cells[0]) <= set(":-"):
            yield cells


def keys_in(cell: str) -> list[str]:
    return [KEY_NAMES.get(key, key) for key in cell.split(", ") if key and not key.startswith("**")]


def readme_keys() -> list[str]:
    return [key for cells in rows(README, 4, "key") for cell in (cells[0], cells[2]) for key in keys_in(cell)]


def guide_rows() -> list[list[str]]:
    return list(rows(topics()["keys"], 3, "Key"))


def guide_keys() -> set[str]:
    return {key for cells in guide_rows() for key in keys_in(cells[0])}


def test_the_readme_table_is_found() -> None:
    assert {"enter", "f8", "alt+up", "left_square_bracket", "G"} <= set(readme_keys())


@pytest.mark.parametrize("key", readme_keys())
def test_every_key_of_the_readme_is_in_the_guide(key: str) -> None:
    assert key in guide_keys()


@pytest.mark.parametrize("cells", guide_rows(), ids=lambda cells: cells[2])
def test_a_row_of_the_guide_has_just_the_keys_of_its_names(cells: list[str]) -> None:
    keys, names = set(keys_in(cells[0])), cells[2].split(", ")
    bound = keys_by_name()

    assert keys <= set.union(*(bound[name] for name in names))
    assert all(keys & bound[name] for name in names)


@pytest.mark.parametrize("part", [ChatScreen, ChatTranscript])
def test_every_action_of_chat_and_transcript_is_in_the_guide(part: type[DOMNode]) -> None:
    told = {name for cells in guide_rows() for name in cells[2].split(", ")}

    own = {binding.id for binding in Binding.make_bindings(part.__dict__["BINDINGS"])}
    assert own - told == set()


def test_names_in_the_example_of_a_keymap_exist() -> None:
    names = re.findall(r'^"([a-z._]+)" = ', topics()["keys"], re.MULTILINE)

    assert names
    assert set(names) <= set(keys_by_name())


@pytest.mark.parametrize("key", sorted(set(re.findall(r"\*\*((?:ctrl|alt)\+\w+|f\d+)\*\*", "".join(TEXTS.values())))))
def test_every_key_that_the_prose_names_is_bound(key: str) -> None:
    there = {binding.key for part in DIALOGS for binding in bindings_of(part)}
    typing = {binding.key for binding in bindings_of(PromptInput) if binding.action in ("undo", "redo")}

    assert key in guide_keys() | there | typing


# -- commands -----------------------------------------------------------------------------


def snippets(text: str) -> Iterator[str]:
    """Every piece of code that is a call of ``tui-chat``."""
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in [line for block in fenced for line in block.splitlines()] + inline:
        for found in re.finditer(r"(?:^|(?<=[|&] ))tui-chat\b[^|&<`]*", line):
            yield found[0].strip()
        if comment := re.search(r"# .*`(tui-chat [^`]+)`", line):
            yield comment[1]


CALLS = sorted({(place, call) for place, text in TEXTS.items() for call in snippets(text)})
PLACEHOLDERS = {"CONV", "COMMAND"}


@pytest.mark.parametrize(("place", "call"), CALLS)
def test_every_command_and_option_exists(place: str, call: str) -> None:
    command: click.Command = cli
    for word in shlex.split(call, comments=True)[1:]:
        if word.startswith("-"):
            known = {name for option in command.params for name in option.opts} | {"--help"}
            assert word in known, f"{place}: {call}"
        elif isinstance(command, click.Group) and word not in PLACEHOLDERS:
            assert word in command.commands, f"{place}: {call}"
            command = command.commands[word]


def test_calls_are_found_and_every_command_is_in_the_guide() -> None:
    told = {shlex.split(call, comments=True)[1] for place, call in CALLS if place == "export" and " " in call}

    assert set() == {name for name, command in cli.commands.items() if not command.hidden} - told
    assert {"ask", "plan", "search", "export"} <= {call.split()[1] for place, call in CALLS if place == "README"}


def test_the_two_commands_of_the_readme_stand_there_and_ci_runs_the_tests_by_the_second() -> None:
    lines = README.splitlines()

    assert START in lines
    assert TEST in lines
    # Quiet there; nothing else is another.
    assert (
        TEST in (ROOT / ".ci/run").read_text(encoding="utf-8").replace("pip install -q ", "pip install ").splitlines()
    )


# -- the rest -----------------------------------------------------------------------------


def test_every_file_of_the_guide_is_a_topic() -> None:
    assert set(ORDER) == {file.stem for file in (ROOT / "tui_chat/guide").glob("*.md")}


@pytest.mark.parametrize("topic", sorted(set(re.findall(r"tui-chat guide ([a-z]+)", "".join(TEXTS.values())))))
def test_every_topic_that_is_named_exists(topic: str) -> None:
    assert topic in ORDER


@pytest.mark.parametrize("topic", ORDER)
def test_the_guide_fits_a_terminal_of_80_columns(topic: str) -> None:
    too_long = [line for line in topics()[topic].splitlines() if len(line) > 80]

    assert too_long == []


def test_the_guide_names_just_the_variables_of_the_program() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tui_chat").rglob("*.py"))

    assert set(re.findall(r"\bTUI_CHAT_[A-Z_]+", source)) == set(re.findall(r"\bTUI_CHAT_[A-Z_]+", topics()["export"]))


@pytest.mark.parametrize("name", re.findall(r"`([A-Z_]{6,})`", topics()["export"]))
def test_every_variable_of_the_guide_is_read(name: str) -> None:
    by_libraries = {"HTTPS_PROXY", "NO_COLOR"}
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tui_chat").rglob("*.py"))

    assert f'"{name}"' in source or name in by_libraries


def test_the_guide_names_just_the_exit_codes_there_are() -> None:
    told = {int(cells[0]) for cells in rows(topics()["export"], 2, "Code")}

    raised = {each.exit_code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "exit_code")}
    assert raised | {0, click.UsageError.exit_code, INTERRUPTED} == told


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)", README))
def test_every_picture_of_the_readme_is_there(path: str) -> None:
    assert (ROOT / path).is_file()
