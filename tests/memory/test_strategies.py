"""The table of strategies, and that what one decides depends on nothing but its input."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

import tests.memory
import tui_chat.memory
from tests.contracts.memory import StrategyContract
from tui_chat.core.errors import BadInput
from tui_chat.memory import STRATEGIES, strategy


class TestWindow(StrategyContract):
    strategy = strategy("window")


class TestFull(StrategyContract):
    strategy = strategy("full")


def test_every_strategy_that_is_written_is_in_the_table() -> None:
    modules = [
        importlib.import_module(f"tui_chat.memory.{m.name}") for m in pkgutil.iter_modules(tui_chat.memory.__path__)
    ]
    written = {
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type)
        and thing.__module__ == module.__name__
        and hasattr(thing, "plan")
        and isinstance(getattr(thing, "name", None), str)
    }

    assert written == {type(known) for known in STRATEGIES}


def test_every_strategy_has_its_contract_suite() -> None:
    for module in pkgutil.iter_modules(tests.memory.__path__):
        importlib.import_module(f"tests.memory.{module.name}")

    covered = {suite.strategy.name for suite in StrategyContract.__subclasses__()}

    assert {known.name for known in STRATEGIES} <= covered


def test_no_two_strategies_share_a_name() -> None:
    names = [known.name for known in STRATEGIES]

    assert sorted(set(names)) == sorted(names)
    assert names[0] == "window"


def test_a_strategy_is_found_by_its_name() -> None:
    assert [known.name for known in STRATEGIES] == [strategy(known.name).name for known in STRATEGIES]


def test_an_unknown_strategy_is_refused_naming_the_known_ones() -> None:
    with pytest.raises(BadInput) as caught:
        strategy("elephant")

    assert caught.value.hint == f"Choose one of: {', '.join(known.name for known in STRATEGIES)}."


PLAN_IN_ANOTHER_WORLD = """
from tests.memory.branches import chat
from tui_chat.memory import STRATEGIES, Request
import dataclasses, json
for strategy in STRATEGIES:
    request = Request(context_window=9000, draft="Hm?", system_prompt="Be kind.")
    plan = strategy.plan(chat("a" + "ua" * 20 + "u-"), request)
    print(json.dumps(dataclasses.asdict(plan)))
"""


def test_hash_seed_time_zone_and_locale_change_no_plan() -> None:
    def plans(**world: str) -> str:
        environment = os.environ | world
        command = [sys.executable, "-c", PLAN_IN_ANOTHER_WORLD]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    here = plans(PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C")
    there = plans(PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="de_DE.UTF-8")

    assert here == there
    assert '"window"' in here
