"""The failures a person can act on. Each says what happened; its hint says what to do next.

::

    TuiChatError                       exit code 1
    ├── ProviderError                  5   the model service failed
    │   ├── NotReached                     no connection: refused, DNS, TLS, timeout, cut off
    │   ├── Unauthorized                   401, 403
    │   ├── NotFoundAtServer               404: no such model, or the wrong URL
    │   ├── RateLimited                    429
    │   ├── ContextTooLong                 the server refuses the prompt's length
    │   ├── ServerFailed                   5xx, an error in mid-stream
    │   ├── NotThisDialect                 HTML, or JSON of another shape
    │   ├── EmptyReply                     the stream ended without an answer
    │   └── NotSummarised                  what came cannot stand for the messages (services.summaries)
    ├── NoModel                        5   no model is chosen, or its endpoint is unknown
    ├── OverBudget                     1   the plan does not fit; nothing was sent
    ├── OverCap                        1   a limit of spending would be exceeded; nothing was sent
    ├── LockedError                    3   the history could not be unlocked
    │   ├── KeyMissing                     the keyring has no key although a history exists
    │   ├── KeyringUnavailable             there is no secure keyring
    │   ├── KeyringLocked                  it is there, but locked or silent
    │   ├── PassphraseNeeded               only a passphrase opens this history
    │   ├── WrongKey                       wrong passphrase, recovery code or keyring entry
    │   ├── NewerSchema                    written by a newer version; left untouched
    │   └── DamagedHistory                 the key is right, the file is not
    ├── NotFound                       4   nothing of that name
    │   └── Ambiguous                      several of that name
    ├── BadInput                       1   (2 for wrong usage) input that cannot be used; nothing changed
    ├── StoreFailed                    1   the history file could not be written or read
    └── Refused                        1   a rule of the program forbids it

Secrets, prompts and replies never appear in a message or a hint.
"""

from __future__ import annotations

from typing import ClassVar


class TuiChatError(Exception):
    """A failure with a sentence for people and a hint what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def sentence(self) -> str:
        """What happened and what to do, in one line."""
        return f"{self} {self.hint}".strip()


class ProviderError(TuiChatError):
    """The model service failed."""

    exit_code = 5


class NotReached(ProviderError):
    """No connection, or it was cut."""


class Unauthorized(ProviderError):
    """The key is missing, wrong or not allowed."""


class NotFoundAtServer(ProviderError):
    """The server knows neither this model nor, perhaps, this address."""


class RateLimited(ProviderError):
    """Too many requests; ``retry_after`` in seconds where the server said it."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ContextTooLong(ProviderError):
    """The server refuses the prompt's length; the two numbers where it named them, in tokens."""

    def __init__(self, message: str, *, hint: str = "", limit: int | None = None, needed: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.limit = limit
        self.needed = needed


class ServerFailed(ProviderError):
    """The server says that it failed."""


class NotThisDialect(ProviderError):
    """An answer, but not of this protocol."""


class EmptyReply(ProviderError):
    """The stream ended without an answer."""


class NoModel(TuiChatError):
    """No model is chosen, or its endpoint is unknown."""

    exit_code = 5


class OverBudget(TuiChatError):
    """The request does not fit the model's context window; nothing was sent."""


class OverCap(TuiChatError):
    """A limit that the user set on spending would be exceeded; nothing was sent."""


class LockedError(TuiChatError):
    """The history could not be unlocked."""

    exit_code = 3


class KeyMissing(LockedError):
    """A history exists, but the keyring holds no key for it. Never a reason to make a new one."""


class KeyringUnavailable(LockedError):
    """This computer offers no secure keyring."""


class KeyringLocked(LockedError):
    """The keyring is there, but locked or not answering."""


class PassphraseNeeded(LockedError):
    """Only a passphrase (or the recovery code) opens this history."""


class WrongKey(LockedError):
    """The passphrase, recovery code or keyring entry is not this history's."""


class NewerSchema(LockedError):
    """The file was written by a newer version of the program; it was left untouched."""


class DamagedHistory(LockedError):
    """The key is right, the file is not readable with it."""


class NotFound(TuiChatError):
    """Nothing of that name."""

    exit_code = 4


class Ambiguous(NotFound):
    """Several of that name; ``candidates`` are lines for a person to choose from."""

    def __init__(self, message: str, *, hint: str = "", candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class BadInput(TuiChatError):
    """Input that cannot be used; nothing was changed."""


class StoreFailed(TuiChatError):
    """The history file could not be written or read."""


class Refused(TuiChatError):
    """A rule of the program forbids it; nothing was done."""
