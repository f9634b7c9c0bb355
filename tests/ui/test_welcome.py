"""What a newcomer reads first."""

from __future__ import annotations

import pytest

from tui_chat.core.models import ModelRef
from tui_chat.core.settings import Endpoint
from tui_chat.ui.welcome import welcome

OPENAI = Endpoint("openai", "https://api.openai.com/v1", from_environment=True)
HOME = Endpoint("home", "http://192.168.1.5:8080/v1")


@pytest.mark.parametrize(
    ("ready", "said"),
    [
        ([OPENAI], "openai (api.openai.com) is set up by your environment: ctrl+o chooses a model."),
        ([HOME], "home (192.168.1.5:8080) is set up: ctrl+o chooses a model."),
        ([OPENAI, HOME], "openai (api.openai.com), home (192.168.1.5:8080) are set up: ctrl+o chooses a model."),
        ([HOME] * 6, "and 2 more are set up: ctrl+o chooses a model."),
    ],
)
def test_who_has_set_up_an_endpoint_is_told_that_only_a_model_is_missing(ready: list[Endpoint], said: str) -> None:
    first = welcome(None, (), 0, ready).plain

    assert said in first
    assert "not an AI" in first
    assert "No model is connected yet" not in first
    assert said not in welcome(ModelRef("home", "m"), (), 0, ready).plain
