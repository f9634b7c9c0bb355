"""What the guard finds, and what it leaves in peace. The keys are made up here, of the documented shapes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.secrets_guard import MOST, find

BODY = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2bC3"

SECRETS = [
    ("a private key", "-----BEGIN " + "OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END"),
    ("a private key", "-----BEGIN " + "PRIVATE KEY-----"),
    ("an Anthropic key", "sk-" + f"ant-api03-{BODY}"),
    ("an OpenAI or compatible key", "sk-" + f"proj-{BODY}"),
    ("a Google key", "AIza" + BODY[:35]),
    ("an AWS access key", "AKIA" + "ABCDEFGHIJKLMNOP"),
    ("a GitHub token", "ghp_" + BODY[:36]),
    ("a GitLab token", "glpat-" + BODY[:20]),
    ("a Slack token", "xoxb-" + "1234567890-abcdef"),
    ("a Stripe key", "sk_" + f"live_{BODY[:24]}"),
    ("a Hugging Face token", "hf_" + BODY[:34]),
    ("a signed token (JWT)", "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "SflKxwRJSMeKKF2QT4"),
    ("a password in an address", "postgres://" + "bea:tr0ub4dor@db.example.org/app"),
    ("a password", "password" + " = 'tr0ub4dor&3'"),
    ("a password", '"api_key"' + ': "f00dBabe123456"'),
    ("a password", "Passwort" + ": Geheim123!"),
]


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
def test_a_secret_is_found_in_the_middle_of_a_text(kind: str, secret: str) -> None:
    text = f"Please look at this:\n{secret}\nThank you."

    (finding,) = find(text)

    assert kind == finding.kind
    assert text[finding.start : finding.end] in secret


@pytest.mark.parametrize(
    "text",
    [
        "My password manager is full and the token ran out.",
        "password: ********",
        "api_key = os.environ['KEY']",
        "api_key = get_key()",
        'password = "your-password-here"',
        "secret: <insert>",
        "the key sk-short is none",
        "https://example.org/a:b@c/d",
        "git@github.com:owner/repo.git",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "passwords: none of them",
    ],
)
def test_what_only_speaks_of_secrets_is_left_in_peace(text: str) -> None:
    assert () == find(text)


def test_the_hint_does_not_give_the_secret_away() -> None:
    secret = "sk-" + f"ant-{BODY}"

    (finding,) = find(secret)

    assert f"sk-a… ({len(secret)} characters)" == finding.hint
    assert BODY not in repr(finding)


def test_the_same_secret_twice_is_one_finding_and_keeps_its_mark_elsewhere() -> None:
    secret = "ghp_" + BODY[:36]

    assert 1 == len(find(f"{secret} and {secret}"))
    assert find(secret)[0].mark == find(f"again: {secret}")[0].mark


def test_nobody_is_asked_about_more_than_can_be_read() -> None:
    assert MOST == len(find("\n".join(f"password = Secret{number:04}!" for number in range(200))))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.sampled_from(SECRETS), st.text(max_size=300))
def test_it_never_fails_on_any_text_around_a_secret(before: str, secret: tuple[str, str], after: str) -> None:
    for finding in find(f"{before}\n{secret[1]}\n{after}"):
        assert finding.start < finding.end


@pytest.mark.parametrize(
    "piece", ["password=", "eyJ" + "a" * 20 + ".", "a://b:", "eyJa-", "sk-", "-----BEGIN A ", "pwd : '"]
)
def test_a_megabyte_of_beginnings_takes_no_more_steps_than_its_length(piece: str) -> None:
    # Would not end in the suite's time if it were the square.
    assert len(find(piece * (1_000_000 // len(piece)))) <= MOST
