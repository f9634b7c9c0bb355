"""What in a text looks like a key, a token or a password: asked about before it goes to somebody else's computer.

Shapes that services document for their own keys, and what stands behind words such as ``password =``.
It is a net with holes: what it finds is probably a secret, what it does not find may be one all the same.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from typing import NamedTuple

MOST = 20
"""Findings of one text: nobody reads more of them."""

_SHOWN = 4
"""Characters of a finding that are shown: enough to know it again, not to use it."""


class Finding(NamedTuple):
    """What it looks like, where it stands, a glimpse of it; ``mark`` is the same for the same secret."""

    kind: str
    start: int
    end: int
    hint: str
    mark: str


# Each is linear: no part can match what the next one can, and what may fail behind a run bounds the run.
_SHAPES: tuple[tuple[str, str], ...] = (
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    ("a PuTTY private key", r"PuTTY-User-Key-File-[0-9]"),
    ("an age secret key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("an OpenAI or compatible key", r"\bsk-(?!ant-)[A-Za-z0-9_-]{20,}"),
    ("a Google key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Stripe key", r"\b[sr]k_live_[A-Za-z0-9]{20,}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    ("a PyPI token", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("a signed token (JWT)", r"\beyJ[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,}"),
    ("a password in an address", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:(?P<in_url>[^\s/@]{3,200})@"),
    (
        "a password",
        r"(?i:\b(?:password|passwort|passwd|pwd|passphrase|secret|api[_-]?key|access[_-]?token|auth[_-]?token"
        r"|client[_-]?secret|secret[_-]?key)[\"']?[ \t]{0,4}[:=][ \t]{0,4})[\"']?(?P<assigned>[^\s\"'<>{}$,;]{6,200})",
    ),
)

_PLACEHOLDERS = re.compile(
    r"(?i)^(?:x{3,}|\*{3,}|\.{3,}|your|my|example|changeme|placeholder|none|null|true|false|os\.|env)"
)


@cache
def _pattern() -> re.Pattern[str]:
    # Not at import: compiling takes milliseconds that no start should pay.
    return re.compile("|".join(f"(?P<k{number}>{shape})" for number, (_, shape) in enumerate(_SHAPES)))


def find(text: str) -> tuple[Finding, ...]:
    """What looks like a secret in a text, in its order, each once, at most ``MOST``. Linear; never raises."""
    found: dict[str, Finding] = {}
    for match in _pattern().finditer(text):
        if len(found) == MOST:
            break
        number = next(number for number in range(len(_SHAPES)) if match[f"k{number}"] is not None)
        name = (
            "in_url" if match["in_url"] is not None else "assigned" if match["assigned"] is not None else f"k{number}"
        )
        secret = match[name]
        if name == "assigned" and not _is_likely(secret):
            continue
        mark = blake2b(secret.encode(errors="replace"), digest_size=16).hexdigest()
        start, end = match.span(name)
        found.setdefault(mark, Finding(_SHAPES[number][0], start, end, _hint(secret), mark))
    return tuple(found.values())


def _is_likely(secret: str) -> bool:
    """Whether what is assigned is a value, not a name, a call or a place where one is to be put."""
    if _PLACEHOLDERS.match(secret) or secret.endswith((")", "()", "]")):
        return False
    kinds = sum(bool(re.search(kind, secret)) for kind in ("[a-z]", "[A-Z]", "[0-9]", r"[^A-Za-z0-9_.]"))
    return kinds >= 2


def _hint(secret: str) -> str:
    line = secret.splitlines()[0] if secret.splitlines() else ""
    return f"{line[:_SHOWN]}… ({len(secret):,} characters)"
