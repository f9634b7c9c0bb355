"""The payload: the texts of what is sent, to the character."""

from __future__ import annotations

import pytest

from tests.memory.branches import chat
from tui_chat.core.context import PayloadMessage
from tui_chat.core.models import Role
from tui_chat.core.ports import Body
from tui_chat.memory import Request, sent_ids, strategy, with_payload

AS_WRITTEN = " \r\n\tTwo  spaces, \x00 and \u202e everything else\n\n "


def test_system_prompt_texts_and_draft_go_out_unchanged() -> None:
    request = Request(context_window=8192, draft=AS_WRITTEN, system_prompt=AS_WRITTEN)
    plan = strategy("window").plan(chat("ua"), request)

    filled = with_payload(
        plan, system_prompt=AS_WRITTEN, bodies={"m0": Body(AS_WRITTEN), "m1": Body(AS_WRITTEN)}, draft=AS_WRITTEN
    )

    roles = [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER]
    assert [PayloadMessage(role, AS_WRITTEN) for role in roles] == list(filled.payload)


def test_only_texts_of_what_is_sent_are_asked_for() -> None:
    plan = strategy("window").plan(chat("ua u- ua"), Request(context_window=8192, max_messages=3, draft="Hm?"))

    assert list(sent_ids(plan)) == ["m2", "m4", "m5"]


def test_a_missing_text_is_never_sent_as_an_empty_one() -> None:
    plan = strategy("window").plan(chat("ua"), Request(context_window=8192))

    with pytest.raises(KeyError):
        with_payload(plan, system_prompt=None, bodies={"m0": Body("text")}, draft=None)


def test_a_refused_plan_has_no_payload() -> None:
    plan = strategy("full").plan(chat("ua", tokens=9000), Request(context_window=8192, draft="Hm?"))

    assert with_payload(plan, system_prompt=None, bodies={}, draft="Hm?").payload == ()


def test_the_payload_stays_out_of_reprs() -> None:
    plan = strategy("window").plan(chat("u"), Request(context_window=8192))

    assert "a secret" not in repr(with_payload(plan, system_prompt=None, bodies={"m0": Body("a secret")}, draft=None))


def test_rendering_twice_gives_the_same_bytes() -> None:
    plan = strategy("window").plan(
        chat("ua ua ua", pinned=[0], excluded=[3]), Request(context_window=8192, draft="Hm?")
    )
    bodies = {id: Body(f"text of {id}") for id in sent_ids(plan)}

    first, second = (
        repr(with_payload(plan, system_prompt=None, bodies=bodies, draft="Hm?").payload).encode() for _ in range(2)
    )

    assert first == second
    assert b"text of m0" in first
    assert b"text of m2" not in first
