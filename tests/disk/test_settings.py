"""The settings file: kind to read, careful to write, and no place for secrets."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.samplings import SAMPLINGS
from tui_chat.core.errors import BadInput
from tui_chat.core.models import MemorySettings, ModelRef
from tui_chat.core.settings import DIALECTS, Caps, Endpoint, Sampling, Settings, command_words
from tui_chat.disk.settings import TomlSettings

BY_HAND = """\
# my settings
theme = "nord"   # dark

[memory]
max_messages = 30 # more
scope = "all"

[caps] # enough is enough
day_tokens = 100_000
month_usd = 5 # dollars

[sampling]
temperature = 1
seed = 7

# the machine under the desk
[endpoints.local]
base_url = "http://localhost:8080/v1"

[keymap]
chat.regenerate = "f5"
"chat.stop" = "f6"
"""


def written(tmp_path: Path, text: str) -> TomlSettings:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return TomlSettings(path)


def test_a_missing_file_means_defaults(tmp_path: Path) -> None:
    assert Settings() == TomlSettings(tmp_path / "settings.toml").load()


def test_every_name_of_the_file_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, BY_HAND)

    assert file.load() == Settings(
        theme="nord",
        memory=MemorySettings(max_messages=30, scope="all"),
        caps=Caps(day_tokens=100_000, month_usd=5.0),
        sampling=Sampling(temperature=1.0, seed=7),
        endpoints=(Endpoint("local", "http://localhost:8080/v1"),),
        keymap={"chat.regenerate": "f5", "chat.stop": "f6"},
    )
    assert file.problems == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('\ncolour = "red"', "settings.toml line 2: colour is not a setting."),
        ("theme = 3", "settings.toml line 1: theme must be a short text."),
        ("enter_sends = 1", "settings.toml line 1: enter_sends must be true or false."),
        ("[memory]\n\nmax_messages = -1", "settings.toml line 3: memory.max_messages must be a whole number"),
        ("memory = 3", "settings.toml line 1: memory is not a setting."),
        ("[memory]\ntrim='sometimes'", 'settings.toml line 2: memory.trim must be "exact" or "blocks".'),
        ("[memory]\nstrategy='psychic'", 'settings.toml line 2: memory.strategy must be "window" or "full"'),
        ("[memory]\nscope='universe'", 'settings.toml line 2: memory.scope must be "conversation" or "all".'),
        ("[caps]\nday_token = 5", "settings.toml line 2: caps.day_token is not a setting."),
        ("[caps]\nday_tokens = 0", "settings.toml line 2: caps.day_tokens must be a whole number of tokens from 1"),
        ("[caps]\nday_tokens = 1.5", "settings.toml line 2: caps.day_tokens must be a whole number of tokens"),
        ("[caps]\nday_tokens = true", "settings.toml line 2: caps.day_tokens must be a whole number of tokens"),
        ("[caps]\nmonth_usd = -1", "settings.toml line 2: caps.month_usd must be a number of US dollars above 0"),
        ("[caps]\nmonth_usd = inf", "settings.toml line 2: caps.month_usd must be a number of US dollars above 0"),
        ("[caps]\nmonth_usd = nan", "settings.toml line 2: caps.month_usd must be a number of US dollars above 0"),
        ("[caps]\nmonth_usd = '5 $'", "settings.toml line 2: caps.month_usd must be a number of US dollars above 0"),
        ("[sampling]\ntemperature = 2.1", "settings.toml line 2: sampling.temperature must be a number from 0 to 2."),
        ("[sampling]\ntemperature = nan", "settings.toml line 2: sampling.temperature must be a number from 0 to 2."),
        ("[sampling]\ntop_p = 0", "settings.toml line 2: sampling.top_p must be a number above 0, up to 1."),
        ("[sampling]\ntop_k = 1001", "settings.toml line 2: sampling.top_k must be a whole number from 1 to 1000."),
        ("[sampling]\ntop_k = true", "settings.toml line 2: sampling.top_k must be a whole number from 1 to 1000."),
        ("[sampling]\nseed = 1.5", "settings.toml line 2: sampling.seed must be a whole number from 0 to 2147483647."),
        ("[sampling]\nmax_tokens = 5", "settings.toml line 2: sampling.max_tokens is not a setting."),
        ("caps = 5", "settings.toml line 1: caps is not a setting."),
        ('model = "gpt"', 'settings.toml line 1: model must be a text such as "endpoint/name".'),
        ('[endpoints.guide]\nbase_url="http://a"', "settings.toml line 2: endpoints.guide.base_url is below a name"),
        ('[endpoints.a]\nbase_url="ftp://a"', "settings.toml line 2: endpoints.a.base_url must be an http://"),
        ('[endpoints.a]\nbase_url="https://me:pw@a"', "settings.toml line 2: endpoints.a.base_url must be an http://"),
        ('[endpoints.a]\nbase_url="http://[bad"', "settings.toml line 2: endpoints.a.base_url must be an http://"),
        ('[endpoints.a]\nbase_url="http://foo:bar"', "settings.toml line 2: endpoints.a.base_url must be an http://"),
        ('[endpoints.a]\nkey_env="A"', "settings.toml line 1: endpoints.a has no base_url."),
        ('[endpoints.a]\ndialect="klingon"', 'settings.toml line 2: endpoints.a.dialect must be "openai" or'),
        ("[endpoints.a]", "settings.toml line 1: endpoints.a has no base_url."),
        ('[endpoints.a]\nkey_command=""', "settings.toml line 2: endpoints.a.key_command must be a command on one"),
        ("[endpoints.a]\nkey_command='a \"b'", "settings.toml line 2: endpoints.a.key_command must be a command on"),
        ('[endpoints.a]\nkey_command="a\\nb"', "settings.toml line 2: endpoints.a.key_command must be a command on"),
        ('[endpoints.a]\nkey_command=["a"]', "settings.toml line 2: endpoints.a.key_command must be a command on"),
        ("[keymap]\nx = []", "settings.toml line 2: keymap.x must be keys"),
        ("first_byte_timeout = nan", "settings.toml line 1: first_byte_timeout must be a number of seconds"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line_and_the_default_holds(
    text: str, problem: str, tmp_path: Path
) -> None:
    file = written(tmp_path, text)

    assert Settings() == file.load()
    assert any(each.startswith(problem) for each in file.problems), file.problems


def test_a_problem_never_repeats_the_value(tmp_path: Path) -> None:
    file = written(tmp_path, '[endpoints.a]\nbase_url = "http://a"\napi_key = "hunter2hunter2"\nkey_env = "not a name"')

    file.load()

    assert len(file.problems) == 2
    assert "hunter2" not in str(file.problems)
    assert "not a name" not in str(file.problems)


def test_a_file_that_is_no_toml_is_refused_with_its_line_and_left_alone(tmp_path: Path) -> None:
    file = written(tmp_path, 'theme = "nord"\nuser = work')

    with pytest.raises(BadInput, match="line 2"):
        file.load()
    with pytest.raises(BadInput):
        file.save(Settings())

    assert file.path.read_text() == 'theme = "nord"\nuser = work'


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "a = " + "{a = " * 5000, "first_byte_timeout = " + "9" * 5000],
    ids=["lists", "tables", "digits"],
)
def test_a_file_beyond_measure_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)

    for use in (file.load, lambda: file.save(Settings(theme="nord")), lambda: file.set_value("theme", "nord")):
        with pytest.raises(BadInput, match="beyond measure"):
            use()
    assert text == file.path.read_text()


@pytest.mark.parametrize("text", [".".join("a" * 5000) + " = 1\n", "[" + ".".join("a" * 5000) + "]\n"])
def test_a_name_of_thousands_of_parts_is_no_setting_and_nothing_breaks(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)

    assert Settings() == file.load()
    assert len(file.problems) == 1
    with suppress(BadInput):  # the writer may give up, with a sentence
        file.set_value("theme", "nord")


def test_what_the_writer_cannot_follow_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = "a = " + "[" * 200 + "]" * 200
    file = written(tmp_path, text)

    assert Settings() == file.load()
    with suppress(BadInput):  # with a sentence, where its nesting is too much for the writer alone
        file.set_value("theme", "nord")
    assert text in file.path.read_text()


def test_saving_changes_only_what_differs_and_keeps_comments(tmp_path: Path) -> None:
    file = written(tmp_path, BY_HAND)
    before = file.load()

    memory = replace(before.memory, strategy="full")
    file.save(replace(before, memory=memory, keymap={"chat.regenerate": "f7", "chat.stop": "f6"}))

    assert file.path.read_text() == BY_HAND.replace('"all"\n', '"all"\nstrategy = "full"\n').replace("f5", "f7")


def test_saving_the_same_settings_writes_nothing(tmp_path: Path) -> None:
    file = TomlSettings(tmp_path / "settings.toml")

    file.save(Settings())

    assert not file.path.exists()


def test_an_endpoint_of_the_environment_is_not_saved_and_the_files_own_stays(tmp_path: Path) -> None:
    file = written(tmp_path, '[endpoints.openai]\nbase_url = "http://mine/v1"\n')
    passing = Endpoint("openai", "http://other/v1", from_environment=True)
    another = Endpoint("ollama", "http://localhost:11434", from_environment=True)

    file.save(replace(file.load(), theme="nord", endpoints=(passing, another)))

    assert (Endpoint("openai", "http://mine/v1"),) == file.load().endpoints


SPANS = ("conversation", "day", "month")
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True).filter(lambda name: name != "guide")
WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=("L", "N", "P")), min_size=1, max_size=9
)
ENDPOINTS = st.builds(
    Endpoint,
    NAMES,
    st.sampled_from(["http://localhost:1/v1", "https://api.example.org"]),
    st.sampled_from(DIALECTS),
    st.none() | st.just("MY_ENV"),
    st.none() | st.integers(256, 10**7),
    key_command=st.none() | WORDS.filter(command_words) | st.just("pass show 'my keys/openai'"),
)
SETTINGS = st.builds(
    Settings,
    user=WORDS,
    theme=WORDS,
    model=st.none() | st.builds(ModelRef, NAMES, WORDS),
    memory=st.builds(
        MemorySettings,
        st.sampled_from(["window", "full"]),
        st.integers(1, 10**5),
        scope=st.sampled_from(["conversation", "all"]),
    ),
    caps=st.builds(
        Caps,
        *[st.none() | st.integers(1, 10**12)] * 3,
        *[st.none() | st.floats(0, 10**9, exclude_min=True)] * 3,
    ),
    sampling=SAMPLINGS,
    endpoints=st.lists(ENDPOINTS, max_size=3, unique_by=lambda endpoint: endpoint.name).map(tuple),
    keymap=st.dictionaries(st.sampled_from(["chat.stop", "chat.new", "app.quit", "quit"]), WORDS, max_size=3),
    enter_sends=st.booleans(),
    show_thinking=st.booleans(),
    first_byte_timeout=st.floats(1, 86_400),
)


@settings(max_examples=60, deadline=None)
@given(first=SETTINGS, second=SETTINGS)
def test_what_is_saved_over_anything_is_what_is_loaded(
    first: Settings, second: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = TomlSettings(tmp_path_factory.mktemp("settings") / "settings.toml")
    file.save(first)

    file.save(second)
    loaded = file.load()

    assert sorted(second.endpoints, key=str) == sorted(loaded.endpoints, key=str)
    assert replace(second, endpoints=()) == replace(loaded, endpoints=())


def test_one_value_can_be_set_and_taken_out(tmp_path: Path) -> None:
    file = TomlSettings(tmp_path / "settings.toml")
    for key, text in [
        ("endpoints.my.box.base_url", "http://box:8080/v1"),
        ("endpoints.my.box.context_window", "8192"),
        ("show_thinking", "yes"),
        ("memory.max_messages", "4"),
        ("keymap.chat.stop", "f9"),
        ("theme", "nord"),
        ("theme", ""),
    ]:
        file.set_value(key, text)

    assert file.load() == Settings(
        endpoints=(Endpoint("my.box", "http://box:8080/v1", context_window=8192),),
        show_thinking=True,
        memory=MemorySettings(max_messages=4),
        keymap={"chat.stop": "f9"},
    )


CAPPED = """\
[caps]
# what a day may cost
day_usd = 0.5 # half a dollar
month_usd = 5
"""


def test_a_cap_can_be_set_and_taken_out_again(tmp_path: Path) -> None:
    file = written(tmp_path, CAPPED)
    file.set_value("caps.day_tokens", "100000")
    file.set_value("caps.month_usd", "7")
    set_ = file.load().caps
    file.set_value("caps.day_tokens", "")
    file.set_value("caps.month_usd", "")

    assert Caps(day_tokens=100_000, day_usd=0.5, month_usd=7.0) == set_
    assert Caps(day_usd=0.5) == file.load().caps
    assert CAPPED.replace("month_usd = 5\n", "") == file.path.read_text()


def test_a_parameter_is_sent_only_while_it_is_set(tmp_path: Path) -> None:
    file = TomlSettings(tmp_path / "settings.toml")
    file.set_value("sampling.temperature", "0.7")
    file.set_value("sampling.top_k", "40")
    set_ = file.load().sampling
    file.set_value("sampling.top_k", "")
    for text in ("3", "hot", "nan"):
        with pytest.raises(BadInput, match=r"sampling\.temperature must be a number from 0 to 2"):
            file.set_value("sampling.temperature", text)

    assert Sampling(temperature=0.7, top_k=40) == set_
    assert Sampling(temperature=0.7) == file.load().sampling


def test_a_cap_that_is_given_up_leaves_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, CAPPED)

    file.save(replace(file.load(), caps=Caps(conversation_tokens=9)))

    assert Caps(conversation_tokens=9) == file.load().caps
    assert "usd" not in file.path.read_text()


@pytest.mark.parametrize("key", [f"caps.{span}_{unit}" for span in SPANS for unit in ("tokens", "usd")])
@pytest.mark.parametrize("text", ["0", "-5", "none", "inf", "nan", "1e99", "9" * 400])
def test_a_cap_is_a_positive_number(key: str, text: str, tmp_path: Path) -> None:
    file = written(tmp_path, "")

    with pytest.raises(BadInput, match=key):
        file.set_value(key, text)
    assert file.path.read_text() == ""


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("endpoints.openai.api_key", "anything"),
        ("caps.day_token", "anything"),
        ("openai_api_key", "anything"),
        ("token", "x"),
        ("passphrase", "correct horse"),
        ("theme", "sk-abcdefgh12345678"),
        ("endpoints.a.key_env", "sk_abcdefgh12345678"),
        ("user", "0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"),
        ("endpoints.a.base_url", "https://a/sk-abcdefgh12345678"),
        ("endpoints.a.key_command", "echo sk-abcdefgh12345678"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(key: str, text: str, tmp_path: Path) -> None:
    file = TomlSettings(tmp_path / "settings.toml")

    with pytest.raises(BadInput, match="secret") as refusal:
        file.set_value(key, text)

    assert text not in refusal.value.sentence
    assert not file.path.exists()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("colour", "red"),
        ("memory", "window"),
        ("endpoints", "x"),
        ("memory.max_messages", "many"),
        ("enter_sends", "perhaps"),
        ("memory.strategy", "psychic"),
        ("memory.trim", "sometimes"),
        ("memory.scope", "universe"),
        ("caps", "5"),
        ("caps.year_usd", "5"),
        ("endpoints.a.dialect", "openai"),  # no base_url yet: the endpoint would be unusable
    ],
)
def test_a_wrong_name_or_value_is_refused(key: str, text: str, tmp_path: Path) -> None:
    file = TomlSettings(tmp_path / "settings.toml")

    with pytest.raises(BadInput):
        file.set_value(key, text)

    assert not file.path.exists()


@pytest.mark.parametrize(
    "model", ["local/Meta-Llama-3.1-70B-Instruct-Q4_K_M.gguf", "openrouter/qwen/qwen3-235b-a22b-thinking-2507:free"]
)
def test_a_long_model_name_is_no_secret(model: str, tmp_path: Path) -> None:
    file = TomlSettings(tmp_path / "settings.toml")

    file.set_value("model", model)

    assert model == str(file.load().model)


def test_a_command_may_name_what_it_prints_by_a_number(tmp_path: Path) -> None:
    file = written(tmp_path, '[endpoints.a]\nbase_url = "https://a"\n')
    command = "op read op://abcdefghijklmnopqrstuvwx12/x7k2m9q4p1z8w3n5v6b0c2d4f7/credential"

    file.set_value("endpoints.a.key_command", command)

    assert (Endpoint("a", "https://a", key_command=command),) == file.load().endpoints


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pass show openai", ("pass", "show", "openai")),
        ("pass show 'my keys/openai'", ("pass", "show", "my keys/openai")),
        ("echo $HOME | cat", ("echo", "$HOME", "|", "cat")),
        ("", ()),
        ("   ", ()),
        ("''", ()),
        ("a 'b", ()),
        ("a\nb", ()),
        ("a" * 501, ()),
    ],
)
def test_a_command_line_is_split_as_a_shell_would_and_nothing_in_it_is_a_shells(
    line: str, words: tuple[str, ...]
) -> None:
    assert words == command_words(line)
