"""The OS keyring, off the event loop and within a time limit."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from tui_chat.core.errors import KeyringLocked, KeyringUnavailable, TuiChatError, WrongKey
from tui_chat.core.secret import Secret
from tui_chat.crypto.keys import checked

_Result = TypeVar("_Result")

TIME_LIMIT = 5.0
"""Seconds until a keyring that does not answer counts as locked: it may be showing a dialogue to nobody."""


class Backend(Protocol):
    """What is used of a ``keyring.backend.KeyringBackend``."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class Keychain:
    """The keys that the OS keyring holds: one item per profile, service ``tui_chat/<profile id>``.

    Its hints are for whoever makes a history: which other ways open one it does not know.
    Every method raises KeyringUnavailable where there is no secure keyring and KeyringLocked where
    it is locked, its dialogue was dismissed, or nothing came back within ``time_limit`` seconds.
    ``backend`` makes the backend to use; without it only those are accepted that keep the value
    encrypted, each imported by name: a plugin scan would choose ``keyrings.alt``'s plain file.
    """

    def __init__(self, *, backend: Callable[[], Backend] | None = None, time_limit: float = TIME_LIMIT) -> None:
        self._make_backend = backend or _os_backend
        self._time_limit = time_limit

    async def backend(self) -> str:
        """The name of the keyring in use, as it is recorded in the key file."""
        return await self._call(_name)

    async def get(self, profile_id: str, account: str) -> Secret | None:
        """The key of that item, or None where there is no such item.

        Raises WrongKey where the item holds something else than a key.
        """

        def read(backend: Backend) -> Secret | None:
            text = backend.get_password(_service(profile_id), account)
            return None if text is None else _from_text(text)

        return await self._call(read)

    async def add(self, profile_id: str, account: str, key: Secret) -> str:
        """Add the item, read it back, and return the keyring's name. Never replaces another value.

        Raises KeyringUnavailable where the item was not kept or is another's.
        """

        def write(backend: Backend) -> str:
            service, text = _service(profile_id), _to_text(key)
            present = backend.get_password(service, account)
            if present is None:
                backend.set_password(service, account, text)
                present = backend.get_password(service, account)
            # Some backends (keyring's null among them) accept an item and forget it.
            if present is None or not hmac.compare_digest(present.encode(), text.encode()):
                raise KeyringUnavailable(
                    f"{_name(backend)} did not keep the key." if present is None else "The keyring item is another's.",
                    hint="Use a passphrase instead.",
                )
            return _name(backend)

        return await self._call(write)

    async def delete(self, profile_id: str, account: str) -> None:
        """Remove the item; nothing happens where there is none."""

        def remove(backend: Backend) -> None:
            service = _service(profile_id)
            if backend.get_password(service, account) is not None:
                backend.delete_password(service, account)

        await self._call(remove)

    async def _call(self, work: Callable[[Backend], _Result]) -> _Result:
        """Run it on a thread of its own, within the time limit, its failures translated."""

        def run() -> _Result:
            try:
                return work(self._make_backend())
            except TuiChatError:
                raise
            # Backends fail with whatever their D-Bus or system library raises.
            except Exception as error:
                raise _translated(error) from error.with_traceback(None)

        try:
            return await asyncio.wait_for(_in_daemon_thread(run), self._time_limit)
        except TimeoutError:
            raise KeyringLocked("The keyring does not answer.", hint=_LOCKED_HINT) from None


_LOCKED_HINT = "Unlock it, or use a passphrase instead."


def _os_backend() -> Backend:
    """The platform's own keyring. Raises KeyringUnavailable with the reason."""
    candidates: tuple[Callable[[], Backend], ...] = (_secret_service, _kwallet)
    if sys.platform == "darwin":
        candidates = (_macos,)
    elif sys.platform == "win32":
        candidates = (_windows,)
    failure: Exception | None = None
    for candidate in candidates:
        try:
            return candidate()
        except Exception as error:  # each backend has its own ways not to be there
            failure = failure or error
    raise KeyringUnavailable("This computer offers no secure keyring.", hint="Use a passphrase instead.") from failure


# ``priority`` raises where the backend cannot be used; reading it is the documented test.


def _secret_service() -> Backend:
    from keyring.backends.SecretService import Keyring

    _ = Keyring.priority
    return Keyring()  # type: ignore[no-any-return, no-untyped-call, unused-ignore]


def _kwallet() -> Backend:
    from keyring.backends.kwallet import DBusKeyring

    _ = DBusKeyring.priority
    return DBusKeyring()  # type: ignore[no-any-return, no-untyped-call, unused-ignore]


def _macos() -> Backend:
    from keyring.backends.macOS import Keyring

    _ = Keyring.priority
    return Keyring()  # type: ignore[no-any-return, no-untyped-call, unused-ignore]


def _windows() -> Backend:
    from keyring.backends.Windows import WinVaultKeyring

    _ = WinVaultKeyring.priority
    backend = WinVaultKeyring()  # type: ignore[no-untyped-call, unused-ignore]
    backend.persist = "local machine"  # the default roams to other computers of the domain
    return backend  # type: ignore[no-any-return, unused-ignore]


def _translated(error: Exception) -> TuiChatError:
    """The keyring's failure in this program's words; its own text may quote what it was given."""
    from keyring import errors

    # "Prompt dismissed" comes as an InitError: there is a service, but nobody unlocked it.
    if isinstance(error, errors.KeyringLocked | errors.InitError):
        return KeyringLocked("The keyring is locked.", hint=_LOCKED_HINT)
    return KeyringUnavailable(f"The keyring failed ({type(error).__name__}).", hint="Use a passphrase instead.")


async def _in_daemon_thread(work: Callable[[], _Result]) -> _Result:
    """Await the work. The thread is a daemon: one that hangs in a dialogue must not keep the process
    from exiting, as the default executor's threads would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: BaseException | None) -> None:
        if future.done():  # the caller has given up
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: _Result | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # handed to the caller
            failure = error
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:
                return  # the loop closed in between; nobody waits any more

    threading.Thread(target=run, name="keyring", daemon=True).start()
    return await future


def _service(profile_id: str) -> str:
    return f"tui_chat/{profile_id}"


def _name(backend: Backend) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _to_text(key: Secret) -> str:
    return base64.b64encode(checked(key).reveal()).decode()


def _from_text(text: str) -> Secret:
    try:
        return checked(Secret(base64.b64decode(text, validate=True)))
    except (ValueError, binascii.Error):
        # Not chained: a traceback would hold the item's text.
        raise WrongKey(
            "The keyring item of this history is not a key.", hint="Use the passphrase or the recovery code."
        ) from None
