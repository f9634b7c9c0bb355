"""The shipped table of models: what it knows, and what it refuses to guess."""

import gzip
import json
import re
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core import catalogue
from tui_chat.core.catalogue import ModelFacts, find
from tui_chat.core.settings import is_context_window

TABLE = files("tui_chat.core").joinpath("catalogue.json").read_bytes()
CONTENT: dict[str, Any] = json.loads(TABLE)
HOSTS: dict[str, str] = CONTENT["hosts"]
NAMES = sorted({name for rows in CONTENT["models"].values() for name in rows})


# -- the file -----------------------------------------------------------------------------------------


def test_the_table_is_small() -> None:
    assert len(gzip.compress(TABLE)) < 40_000


def test_the_table_says_whose_it_is_and_of_which_day() -> None:
    assert catalogue.DATE == CONTENT["date"]
    assert catalogue.SOURCE == CONTENT["source"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", catalogue.DATE)


def test_the_table_carries_the_licence_of_each_source_in_full() -> None:
    assert {"litellm", "genai-prices"} == set(CONTENT["licence"])
    for text in CONTENT["licence"].values():
        assert "Copyright (c)" in text
        assert "The above copyright notice and this permission notice shall be included" in text
        assert 'THE SOFTWARE IS PROVIDED "AS IS"' in text


def test_every_row_can_be_true() -> None:
    for address, service in HOSTS.items():
        for name in CONTENT["models"][service]:
            facts = find(name, endpoint_host=address)
            assert facts is not None
            prices = (facts.input_price, facts.output_price, facts.cached_price, facts.prices_up_to)

            assert facts.context_window is None or is_context_window(facts.context_window), name
            assert facts.max_output is None or facts.max_output > 0, name
            assert all(price is None or 0 <= price < 1_000 for price in prices[:3]), name
            assert (facts.input_price is None) == (facts.output_price is None), name
            assert facts.input_price is not None or prices == (None,) * 4, name


def test_importing_reads_nothing() -> None:
    code = "import sys; from tui_chat.core.catalogue import _table; "
    code += "print(_table.cache_info().currsize, 'importlib.resources' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "0 False" == done.stdout.strip()


# -- what it knows: the figures of the day, read in the sources by eye -------------------------------------


@pytest.mark.parametrize(
    ("host", "name", "facts"),
    [
        ("api.openai.com", "gpt-4o", ModelFacts(128_000, 16_384, 2.5, 10, 1.25)),
        ("api.openai.com", "gpt-4o-2024-05-13", ModelFacts(128_000, 4_096, 5, 15)),
        ("api.openai.com", "gpt-5", ModelFacts(272_000, 128_000, 1.25, 10, 0.125)),
        ("api.openai.com", "gpt-6.1-sol", ModelFacts(922_000, 128_000, 2, 10, 0.1, 272_000)),
        ("api.anthropic.com", "claude-opus-5-5", ModelFacts(1_000_000, 128_000, 4, 20, 0.2)),
        ("api.anthropic.com", "claude-haiku-4-5-20251001", ModelFacts(200_000, 64_000, 1, 5, 0.1)),
        (
            "generativelanguage.googleapis.com",
            "gemini-2.5-pro",
            ModelFacts(1_048_576, 65_536, 1.25, 10, 0.125, 200_000),
        ),
        ("api.x.ai", "grok-4.7", ModelFacts(500_000, 500_000, 2, 6, 0.5, 200_000)),
        ("api.deepseek.com", "deepseek-v4-pro", ModelFacts(1_000_000, 393_216, 1.32, 3.96, 0.044)),
        ("api.groq.com", "openai/gpt-oss-120b", ModelFacts(131_072, 65_536, 0.15, 0.6, 0.075)),
        ("api.moonshot.ai", "kimi-k3", ModelFacts(1_048_576, 1_048_576, 3, 15, 0.3)),
        ("api.z.ai", "glm-4.6", ModelFacts(200_000, 128_000, 0.6, 2.2, 0.11)),
        ("dashscope-intl.aliyuncs.com", "qwen-flash", ModelFacts(997_952, 32_768, 0.05, 0.4, None, 256_000)),
        ("openrouter.ai", "anthropic/claude-sonnet-4.5", ModelFacts(1_000_000, None, 3, 15, 0.3, 200_000)),
        ("openrouter.ai", "meta-llama/llama-3.3-70b-instruct", ModelFacts(None, None, 0.59, 0.79, 0.295)),
    ],
)
def test_a_well_known_model_has_its_figures(host: str, name: str, facts: ModelFacts) -> None:
    assert facts == find(name, endpoint_host=host)


def test_a_host_that_charges_differently_has_its_own_price() -> None:
    prices = {
        host: facts.input_price
        for host, name in (
            ("api.groq.com", "openai/gpt-oss-120b"),
            ("api.cerebras.ai", "gpt-oss-120b"),
            ("api.together.xyz", "openai/gpt-oss-120b"),
        )
        if (facts := find(name, endpoint_host=host))
    }

    assert {"api.groq.com": 0.15, "api.cerebras.ai": 0.35, "api.together.xyz": 0.15} == prices


def test_a_host_is_the_same_in_capitals_and_with_a_final_dot() -> None:
    assert find("gpt-5", endpoint_host="api.openai.com") == find("gpt-5", endpoint_host="API.OpenAI.com.")


# -- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "written", "means"),
    [
        ("api.openai.com", "openai/gpt-5", "gpt-5"),
        ("generativelanguage.googleapis.com", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("api.openai.com", "gpt-5-2031-01-31", "gpt-5"),
        ("api.openai.com", "openai/gpt-5-latest", "gpt-5"),
        ("api.anthropic.com", "claude-opus-5-5-20310131", "claude-opus-5-5"),
        ("", "openai/o3", "o3"),
        ("", "anthropic/claude-opus-5-5", "claude-opus-5-5"),
    ],
)
def test_a_prefix_or_a_date_does_not_hide_a_model(host: str, written: str, means: str) -> None:
    facts = find(means, endpoint_host=host)

    assert facts is not None
    assert facts == find(written, endpoint_host=host)


def test_of_a_date_unknown_only_what_all_dated_versions_share_is_said() -> None:
    # gpt-4o-2024-05-13 costs twice as much as its sisters and answers with fewer tokens.
    assert ModelFacts(context_window=128_000) == find("gpt-4o-2031-01-31", endpoint_host="api.openai.com")


@pytest.mark.parametrize("host", ["", "api.openai.com", "openrouter.ai", "models.example.org"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "llama3.2:3b-q4",
        "llama3",
        "mistral",
        "qwen3:8b",
        "gpt-oss:20b",
        "gpt-oss-120b",
        "gpt-5.gguf",
        "/srv/models/gpt-5",
        "./gpt-5",
        "models/gpt-5",
        "C:\\models\\gpt-5.gguf",
        "me/gpt-5",
        "anthropic/gpt-5",
        "gpt-5-latest-latest",
        "gpt-5-mini-q4",
        "gpt-5-20991399",
        "GPT-5",
        " gpt-5",
        "gpt-5\n",
        "gpt",
        "claude",
        "deepseek-r1",
        "gemma-3-27b-it",
    ],
)
def test_a_name_that_might_mean_something_else_is_unknown(name: str, host: str) -> None:
    assert None is find(name, endpoint_host=host)


# -- hosts ----------------------------------------------------------------------------------------------


def test_an_unknown_host_has_a_window_where_all_services_agree_and_never_a_price() -> None:
    assert ModelFacts(200_000, 100_000) == find("o3", endpoint_host="gateway.example.org")
    assert ModelFacts(200_000, 100_000) == find("o3")


def test_where_services_disagree_nothing_is_said_about_an_unknown_one() -> None:
    # GitHub's own service gives gpt-4.1 an eighth of the window that OpenAI gives it.
    assert None is find("gpt-4.1", endpoint_host="gateway.example.org")
    assert None is not find("gpt-4.1", endpoint_host="api.openai.com")


def test_a_model_that_anyone_can_run_is_known_only_where_it_is_sold() -> None:
    assert None is not find("openai/gpt-oss-120b", endpoint_host="api.groq.com")
    assert None is find("openai/gpt-oss-120b", endpoint_host="gateway.example.org")


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "::1", "0.0.0.0", "192.168.1.20", "10.1.2.3", "fd00::1", "gpu-box", "nas.local"],
)
def test_a_server_of_the_users_own_may_call_its_model_anything(host: str) -> None:
    assert None is find("o3", endpoint_host=host)


def test_a_price_of_text_alone_is_not_given_where_searches_are_charged_for() -> None:
    facts = find("sonar-pro", endpoint_host="api.perplexity.ai")

    assert facts is not None
    assert None is facts.input_price


# -- any text -------------------------------------------------------------------------------------------

any_name = st.text(max_size=80) | st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "openai/", "anthropic/", "models/", "x-ai/", "/", "a/b/"]),
    st.sampled_from(NAMES),
    st.sampled_from(["", "-latest", "-2030-01-02", "-20300102", ":free", ":3b-q4", ".gguf", "\n"]),
)
any_host = st.text(max_size=40) | st.sampled_from([*HOSTS, "", "localhost", "example.org"])


@given(any_name, any_host)
@settings(max_examples=300, deadline=None)
def test_any_text_has_an_answer_and_always_the_same(name: str, host: str) -> None:
    facts = find(name, endpoint_host=host)

    assert facts == find(name, endpoint_host=host)
    assert facts is None or facts != ModelFacts()


@given(any_name, st.text(max_size=40) | st.just("example.org"))
@settings(max_examples=200, deadline=None)
def test_no_price_is_known_at_a_host_that_is_not_in_the_table(name: str, host: str) -> None:
    facts = find(name, endpoint_host=f"{host}.example.org")

    assert facts is None or facts == ModelFacts(facts.context_window, facts.max_output)


def test_a_very_long_name_takes_no_time() -> None:
    assert None is find("gpt-5-" * 200_000 + "latest", endpoint_host="api.openai.com")
