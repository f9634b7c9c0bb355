"""The JSON form of a plan: every field as documented, valid by its schema, without values of ours inside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from tests.memory.branches import CONTENTS, IMAGE, bodies_of, branches, chat, requests, with_files
from tui_chat.core.models import MessageHeader
from tui_chat.core.plan_json import plan_to_json
from tui_chat.core.ports import Body
from tui_chat.core.sampling import LeftOut, Sampling
from tui_chat.core.sentences import error_sentence, warning_sentence
from tui_chat.memory import STRATEGIES, Request, sent_ids, strategy, with_payload

SCHEMA = json.loads((Path(__file__).parent.parent / "schemas" / "plan.json").read_text())
validator = jsonschema.Draft202012Validator(SCHEMA)


def printed(name: str, branch: list[MessageHeader], request: Request) -> Any:
    """As a reader of standard output gets it."""
    plan = strategy(name).plan(branch, request)
    bodies = {id: Body(f"text of {id}") for id in sent_ids(plan)} | bodies_of(branch, sent_ids(plan))
    plan = with_payload(
        plan,
        system_prompt=request.system_prompt,
        bodies=bodies,
        draft=request.draft,
        draft_attachments=request.draft_attachments,
        contents=CONTENTS,
    )
    return json.loads(json.dumps(plan_to_json(plan)))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_plan_reads_as_documented() -> None:
    request = Request(context_window=8192, max_messages=2, draft="And now?", system_prompt="Be kind.")

    plan = printed("window", chat("ua ua"), request)

    assert plan == {
        "strategy": "window",
        "budget": {
            "context_window": 8192,
            "assumed": False,
            "reserved_for_reply": 2048,
            "margin": 0.4,
            "input": 4388,
        },
        "entries": [
            entry(None, "system", "system", "system", 7, 0),
            entry("m0", "message", "user", "before_window", 10, None),
            entry("m1", "message", "assistant", "before_window", 10, None),
            entry("m2", "message", "user", "window", 10, 1),
            entry("m3", "message", "assistant", "window", 10, 2),
            entry(None, "draft", "user", "draft", 7, 3),
        ],
        "totals": {"sent": 2, "not_sent": 2, "tokens": 37},
        "warnings": [{"code": "before_window", "count": 2, "of": 4, "text": plan["warnings"][0]["text"]}],
        "error": None,
        "payload": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "text of m2"},
            {"role": "assistant", "content": "text of m3"},
            {"role": "user", "content": "And now?"},
        ],
        "sampling": {},
        "unsampled": [],
    }


def test_parameters_are_listed_as_they_are_sent_and_left_out() -> None:
    plan = strategy("window").plan(chat("u"), Request(context_window=8192))
    left_out = (LeftOut("top_k", 40, refused=True), LeftOut("seed", 7, refused=False))

    form = plan_to_json(replace(plan, sampling=Sampling(temperature=0.7, top_p=0.9), unsampled=left_out))

    assert {"temperature": 0.7, "top_p": 0.9} == form["sampling"]
    assert [
        {"name": "top_k", "value": 40, "why": "refused"},
        {"name": "seed", "value": 7, "why": "no_such_parameter"},
    ] == form["unsampled"]
    validator.validate(form)


def test_images_are_listed_without_their_data() -> None:
    branch = [with_files(chat("u")[0], images=1)]

    plan = printed("window", branch, Request(context_window=8192, takes_images=True))

    listed = {"name": "photo.png", "mime": "image/png", "sha256": IMAGE.sha256, "bytes": IMAGE.size}
    assert [{"role": "user", "content": "text of m0", "images": [listed]}] == plan["payload"]
    validator.validate(plan)


def entry(id: str | None, kind: str, role: str, reason: str, tokens: int, order: int | None) -> dict[str, object]:
    return {
        "id": id,
        "kind": kind,
        "role": role,
        "sent": order is not None,
        "reason": reason,
        "tokens": tokens,
        "order": order,
        "inside": None,
    }


def test_a_warning_carries_the_sentence_that_the_screen_shows() -> None:
    request = Request(context_window=8192, max_messages=2)
    branch = chat("ua ua")

    text = printed("window", branch, request)["warnings"][0]["text"]

    assert warning_sentence(strategy("window").plan(branch, request).warnings[0]) == text
    assert text.startswith("2 of 4 earlier messages are not sent")


def test_an_error_carries_its_sentence_and_leaves_the_payload_empty() -> None:
    request = Request(context_window=100, draft="word " * 100)

    plan = printed("full", chat("ua"), request)

    error = strategy("full").plan(chat("ua"), request).error
    assert error is not None
    expected = {"code": "fixed_over_budget", "needed": 107, "room": 53, "text": error_sentence(error)}
    assert (expected, []) == (plan["error"], plan["payload"])


@pytest.mark.parametrize("name", [known.name for known in STRATEGIES])
@settings(max_examples=60, deadline=None)
@given(branch=branches(), request=requests())
def test_every_plan_is_valid_by_its_schema(name: str, branch: list[MessageHeader], request: Request) -> None:
    validator.validate(printed(name, branch, request))
