"""A digest keeps what was decided, and nothing that was said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from tests.memory.branches import branches, chat, requests
from tui_chat.core.digest import digest_of, plan_of
from tui_chat.core.models import MessageHeader
from tui_chat.memory import STRATEGIES
from tui_chat.memory.payload import with_payload
from tui_chat.memory.request import Request


@given(branches(), requests())
def test_a_plan_comes_back_from_its_digest_and_its_branch(branch: tuple[MessageHeader, ...], request: Request) -> None:
    for strategy in STRATEGIES:
        plan = replace(strategy.plan(branch, replace(request, factor=1.0)), anchor=None)

        assert plan_of(digest_of(plan), branch) == plan


def test_a_digest_of_a_version_that_knew_no_images_and_no_parameters_is_read() -> None:
    plan = STRATEGIES[0].plan(chat("ua ua"), Request(context_window=8192, max_messages=2))
    old = json.loads(digest_of(plan))
    for name in ("takes_images", "sampling", "unsampled"):
        del old[name]

    assert replace(plan, anchor=None) == plan_of(json.dumps(old), chat("ua ua"))


@given(branches(), requests())
def test_without_the_branch_the_numbers_are_the_same(branch: tuple[MessageHeader, ...], request: Request) -> None:
    plan = STRATEGIES[0].plan(branch, request)

    again = plan_of(digest_of(plan))

    assert [entry.reason for entry in again.entries] == [entry.reason for entry in plan.entries]
    assert [entry.id for entry in again.entries if entry.sent] == [entry.id for entry in plan.entries if entry.sent]
    assert (again.totals, again.warnings) == (plan.totals, plan.warnings)


def test_a_digest_does_not_grow_with_what_is_not_sent() -> None:
    request = Request(context_window=100_000, draft="and now?")

    short, long = (digest_of(STRATEGIES[0].plan(chat("ua" * turns), request)) for turns in (50, 5_000))

    assert len(long) < len(short) + 100


def test_no_text_is_in_a_digest() -> None:
    request = Request(context_window=8192, draft="canary draft", system_prompt="canary system")
    plan = with_payload(
        STRATEGIES[0].plan((), request), system_prompt=request.system_prompt, bodies={}, draft=request.draft
    )

    assert "canary" not in digest_of(plan)


@pytest.mark.parametrize("text", ["{}", "[]", '{"version": 2}', '{"version": 1}', "null", "1", "nonsense"])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        plan_of(text)
