"""The direction of imports holds at run time too, and each family's table is complete."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tui_chat import memory
from tui_chat.core import settings

PACKAGE = Path(__file__).parent.parent / "tui_chat"
LIBRARIES = {
    "xllamacpp",
    "httpx",
    "apsw",
    "sqlite3",
    "keyring",
    "cryptography",
    "markdown_it",
    "pygments",
    "tomlkit",
    "PIL",
}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules a fresh interpreter has loaded after this statement."""
    code = f"import sys; {statement}; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("part", ["core", "memory", "services", "cli"])
def test_the_inside_and_the_commands_load_no_library(part: str) -> None:
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in sorted((PACKAGE / part).rglob("*.py"))
        if path.name != "__init__.py"
    ]

    loaded = loaded_by("import " + ", ".join(modules))

    assert loaded & (LIBRARIES | {"textual", "rich"}) == set()


def test_the_app_loads_textual_and_no_other_library() -> None:
    loaded = loaded_by("import tui_chat.ui.app, tui_chat.bootstrap")

    # Textual itself brings a bare pygments; what costs is its lexers, which are looked for at the first paint.
    assert loaded & (LIBRARIES - {"pygments", "sqlite3"}) == set()
    assert "textual" in loaded


def test_the_first_paint_does_not_wait_for_what_only_an_open_history_needs() -> None:
    code = "import sys, tui_chat.ui.app, tui_chat.bootstrap; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    late = ("tui_chat.memory", "tui_chat.services.joined", "tui_chat.services.chat", "tui_chat.core.ports")

    assert [] == [name for name in done.stdout.split() if name.startswith(late)]


def test_the_settings_know_every_strategy_by_name() -> None:
    assert settings.STRATEGIES == tuple(each.name for each in memory.STRATEGIES)


@pytest.mark.parametrize(
    ("family", "table", "shared"),
    [
        (
            "memory",
            "STRATEGIES",
            {"request", "payload", "units", "budget", "composition", "pins", "tools", "quotation", "query"},
        ),
        ("transfer", "EXPORTERS", set()),
        ("providers", "DIALECTS", set()),
    ],
)
def test_every_member_of_a_family_is_in_its_table(family: str, table: str, shared: set[str]) -> None:
    package = importlib.import_module(f"tui_chat.{family}")
    members = getattr(package, table)

    names = {(member if isinstance(member, type) else type(member)).__module__.rsplit(".", 1)[-1] for member in members}
    suffixed = {path.stem for path in (PACKAGE / family).glob("*_format.py")}

    assert names
    assert suffixed <= names
    if shared:
        modules = {path.stem for path in (PACKAGE / family).glob("*.py")} - {"__init__"} - shared
        assert modules == names


def test_no_widget_is_given_foreign_text_as_markup() -> None:
    """``notify``, ``Static``, ``Label`` and ``Option`` parse markup unless told otherwise."""
    offenders = []
    for path in (PACKAGE / "ui").rglob("*.py"):
        text = path.read_text()
        for call in (".notify(", "Static(", "Label(", "OptionList("):
            start = 0
            while (at := text.find(call, start)) != -1:
                start = at + 1
                if text[at - 1 : at].isalnum() and call[0] != ".":
                    continue
                line_start = text.rfind("\n", 0, at) + 1
                if text[line_start:at].lstrip().startswith(("class ", "#", "from ", "import ")):
                    continue
                if "markup=False" not in _arguments(text, at + len(call)):
                    offenders.append(f"{path.relative_to(PACKAGE)}:{text.count(chr(10), 0, at) + 1}")

    assert offenders == []


def _arguments(text: str, start: int) -> str:
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return text[start:]
