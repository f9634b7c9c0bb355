"""What a server's refusal means: its status and body become one of our errors, in a clear sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tui_chat.core.errors import (
    ContextTooLong,
    NotFoundAtServer,
    NotReached,
    NotThisDialect,
    ProviderError,
    RateLimited,
    ServerFailed,
    Unauthorized,
)
from tui_chat.core.secret import Secret
from tui_chat.providers.waits import spelled_wait
from tui_chat.providers.wire import Wire

QUOTED = 300
"""Characters of a server's own words that a message may quote."""

ABOUT = 20_000
"""Characters of them that are searched for what a refusal is about."""

SETTINGS = "Check the address in the settings (f2)."
TRY_AGAIN = "Try again in a moment."

# C0, DEL and C1; line and paragraph separators; marks that reorder text on a terminal.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_TOO_LONG = re.compile(
    r"context.?(?:length|size|window|limit)|prompt length|too long|too many (?:input )?tokens|tokens to keep"
    # A limit of something else (attachments, requests) is none of the context window's.
    r"|exceeds? the (?:available|maximum)(?: [\w,]+){0,3} (?:tokens?|context|length)\b",
    re.IGNORECASE,
)
_NUMBER = r"(\d[\d,]{0,12})"
_LIMIT = re.compile(
    r"(?:(?:context|prompt) length is(?: only)?|context size \(|maximum number of tokens allowed \(|tokens >"
    r"|context limit: [\d,]+ \+ [\d,]+ >|maximum of(?= [\d,]+ (?:\w+ )?tokens)) {0,2}" + _NUMBER,
    re.IGNORECASE,
)
_NEEDED = re.compile(
    r"(?:resulted in|you requested|you passed|request \(|token count \(|too long:) {0,2}" + _NUMBER, re.IGNORECASE
)


_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLOSING = "\"'”’»)]`"


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who refused: the endpoint's name and address, the model asked for, and the key that must not be quoted."""

    name: str
    url: str
    model: str = ""
    key: Secret | None = None
    wire: Wire = field(default_factory=Wire)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a server says is wrong: words safe to show, its machine codes, and token numbers where it names them.

    ``param`` is the field that it blames, ``about`` that and all the words: to be searched, never shown.
    ``wait`` is how many seconds its body asks to wait.
    """

    words: str = ""
    code: str = ""
    html: bool = False
    too_long: bool = False
    limit: int | None = None
    needed: int | None = None
    wait: float | None = None
    param: str = ""
    about: str = field(default="", repr=False)

    @property
    def exhausted(self) -> bool:
        """Whether it is the account that has no more, so that another try cannot help."""
        return "insufficient_quota" in self.code or "spend_limit_reached" in self.code

    @property
    def quoted(self) -> str:
        """The words as the end of a sentence, with a full stop where the server set none."""
        words = self.words.rstrip(" ,;:")
        if not words:
            return "."
        return f": {words}" if words.rstrip(_CLOSING).endswith(_ENDS) else f": {words}."


def clean(text: str, *, limit: int = QUOTED, key: Secret | None = None) -> str:
    """One line of safe text without the key, shortened to ``limit`` characters."""
    line = " ".join(_UNSAFE.sub(" ", text).split())
    if key:
        # Before it is shortened: half a key must not survive either.
        line = line.replace(key.reveal_text(), "[key]")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def parse_json(body: bytes | str) -> Any:
    """The JSON value of a body. Raises ValueError for anything else, however deep or odd."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def looks_like_html(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def complaint(body: bytes | str, *, key: Secret | None = None) -> Complaint:
    """Read an error body in any of the shapes that servers use; never fails."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        value = parse_json(text)
    except ValueError:
        html = looks_like_html(text)
        if html:
            return Complaint(html=True)
        return Complaint(
            words=clean(text, key=key), too_long=bool(_TOO_LONG.search(text)), about=clean(text, limit=ABOUT, key=key)
        )
    return complaint_in(value, key=key)


def complaint_in(value: Any, *, key: Secret | None = None) -> Complaint:
    """The same for a value already parsed: ``{"error": {…} | "…"}``, ``{"detail"}``, ``{"message"}``, a list of one."""
    if isinstance(value, list) and value:
        value = value[0]
    inner = value
    if isinstance(value, dict):
        inner = next((value[name] for name in ("error", "detail", "message") if value.get(name)), value)
    if isinstance(inner, list) and inner:  # FastAPI's validation errors
        inner = inner[0]
    if isinstance(inner, str):
        inner = _unwrapped(inner)
    fields: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    words = inner if isinstance(inner, str) else str(fields.get("message") or fields.get("msg") or "")
    details = tuple(_details(fields.get("details")))
    said = [fields.get(name) for name in ("code", "type", "status")]
    said += [each.get(name) for each in details for name in ("reason", "error_code")]
    codes = " ".join(str(each) for each in said if each is not None)
    param = str(fields.get("param") or fields.get("loc") or "")
    return Complaint(
        words=clean(words, key=key),
        code=clean(codes, key=key),
        too_long="context_length" in codes or "exceed_context" in codes or bool(_TOO_LONG.search(words)),
        limit=_tokens(fields.get("n_ctx")) or _found(_LIMIT, words),
        needed=_tokens(fields.get("n_prompt_tokens")) or _found(_NEEDED, words),
        wait=next((wait for each in details if (wait := spelled_wait(each.get("retryDelay"))) is not None), None),
        param=clean(param, key=key),
        about=clean(f"{param} {words}", limit=ABOUT, key=key),
    )


def _unwrapped(words: str) -> Any:
    """What a text says that is itself an error in JSON, once: so Ollama hands on what its runner said."""
    if not words.lstrip().startswith("{"):
        return words
    try:
        value = parse_json(words)
    except ValueError:
        return words
    inner = value.get("error") or value
    says = isinstance(inner, str) or (isinstance(inner, dict) and inner.get("message"))
    return inner if says else words


def _details(value: object) -> Iterator[Mapping[str, Any]]:
    """What some say beside the words: Anthropic in an object, Google in a list of them."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            yield each


def refusal(
    speaker: Speaker, status: int, said: Complaint, *, wait: float | None = None, moved: str = ""
) -> ProviderError:
    """The error for a status that is no 200; ``wait`` is what the server asks for, ``moved`` where it redirects to."""
    name = speaker.name
    if said.too_long and status in (400, 413, 422, 500):
        return too_long(said)
    if "model_not_found" in said.code or (status in (400, 404) and _names_model(said, speaker.model)):
        return NotFoundAtServer(
            f"{name} has no model named “{clean(speaker.model, limit=100)}”.", hint="Choose another with ctrl+o."
        )
    if "API_KEY_INVALID" in said.code:  # Google says so with a 400
        return _unauthorized(speaker, status, said)
    match status:
        case 401 | 403:
            return _unauthorized(speaker, status, said)
        case 402:
            return Unauthorized(f"{name} wants to be paid first (402){said.quoted}", hint="Check the account's credit.")
        case 404 | 405:
            return NotFoundAtServer(
                f"{name} knows no such address: {speaker.url} ({status}).", hint=f"{SETTINGS} {speaker.wire.address}"
            )
        case 407:
            return NotReached(
                f"A proxy on the way to {name} wants a user name and a password (407).",
                hint="Write them into HTTP_PROXY: http://USER:PASSWORD@HOST:PORT.",
            )
        case 408:
            return NotReached(f"{name} gave up waiting for the request (408).", hint=TRY_AGAIN)
        case 429:
            return _rate_limited(name, said, wait)
        case _ if 300 <= status < 400:
            where = f" to {moved}" if moved else ""
            return NotFoundAtServer(f"{name} sends requests elsewhere ({status}{where}).", hint=SETTINGS)
        case _ if status >= 500:
            return ServerFailed(f"{name} failed ({_status(status)}){said.quoted}", hint=_later(wait))
    return ServerFailed(
        f"{name} refused the request ({_status(status)}){said.quoted}", hint="Another model or server may take it."
    )


def failed_midway(speaker: Speaker, said: Complaint) -> ProviderError:
    """The error for one that a server reports inside a stream that began well."""
    if said.too_long:
        return too_long(said)
    if re.search(r"rate_?limit|\b429\b", said.code):
        return _rate_limited(speaker.name, said, None)
    return ServerFailed(f"{speaker.name} failed while answering{said.quoted}", hint=TRY_AGAIN)


def too_long(said: Complaint) -> ContextTooLong:
    """With both numbers where the server named them."""
    match said.needed, said.limit:
        case int(needed), int(limit):
            detail = f": it needs {needed:,} tokens, the model takes {limit:,}."
        case None, int(limit):
            detail = f", which takes {limit:,} tokens."
        case _:
            detail = said.quoted
    return ContextTooLong(
        f"This is too long for the model{detail}",
        hint="Send fewer earlier messages, or choose a model with more room (ctrl+o).",
        limit=said.limit,
        needed=said.needed,
    )


def web_page(speaker: Speaker) -> NotThisDialect:
    """An HTML page came where an answer should."""
    return NotThisDialect(
        f"{speaker.name} answered with a web page, not as a model service: {speaker.url}.",
        hint=f"{SETTINGS} {speaker.wire.address} A company or hotel network may also ask for a log-in first.",
    )


def not_this_dialect(speaker: Speaker) -> NotThisDialect:
    """Something came that is not of this protocol."""
    return NotThisDialect(f"{speaker.name} does not answer as {speaker.wire.service} does.", hint=SETTINGS)


def _unauthorized(speaker: Speaker, status: int, said: Complaint) -> Unauthorized:
    if speaker.key is None:
        return Unauthorized(
            f"{speaker.name} asks for a key ({status}){said.quoted}", hint="Enter it in the settings (f2)."
        )
    if status != 403:
        return Unauthorized(
            f"{speaker.name} refused the key ({status}){said.quoted}", hint="Check the key in the settings (f2)."
        )
    return Unauthorized(
        f"{speaker.name} does not allow this (403){said.quoted}",
        hint="The key may not cover this model; check it (f2).",
    )


def _rate_limited(name: str, said: Complaint, wait: float | None) -> RateLimited:
    if said.exhausted:
        return RateLimited(
            f"The account's quota at {name} is used up (429){said.quoted}", hint="Check plan and credit there."
        )
    return RateLimited(f"{name} got too many requests (429){said.quoted}", hint=_later(wait), retry_after=wait)


def _later(wait: float | None) -> str:
    return TRY_AGAIN if wait is None else f"It asks to wait {duration(wait)}."


def duration(seconds: float) -> str:
    """``4 seconds``, ``2 minutes``, ``3 hours``: rounded up, for people."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > size:
            count = -int(-seconds // size)
            return f"{count:,} {unit}{'s' if count != 1 else ''}"
    count = max(1, -int(-seconds // 1))
    return f"{count} second{'s' if count != 1 else ''}"


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)  # a number outside the standard, 529 for example: it speaks for itself


def _names_model(said: Complaint, model: str) -> bool:
    words = said.words.lower()
    missing = re.search(r"not found|does not exist|no such|not exist|unknown|invalid model|not a valid model", words)
    missing = missing or re.search("not_found", said.code)
    return bool(model and missing and ("model" in words or model.lower() in words))


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**10 else None


def _found(pattern: re.Pattern[str], words: str) -> int | None:
    match = pattern.search(words)
    return _tokens(int(match[1].replace(",", ""))) if match else None
