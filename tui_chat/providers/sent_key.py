"""Which keys may be sent to which addresses."""

from __future__ import annotations

from tui_chat.core.address import Address
from tui_chat.core.errors import BadInput
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint


def check_key(endpoint: Endpoint, address: Address, key: Secret | None) -> Secret | None:
    """The key as it may be sent there, without the line end it was pasted with.

    Raises BadInput for a key that no header can carry, and for one that would travel unencrypted.
    """
    value = key.reveal().strip() if key is not None else b""
    if not value:
        return None
    if not all(33 <= byte < 127 for byte in value):
        raise BadInput(
            f"The key for {endpoint.name!r} holds spaces or characters that no key has.", hint="Copy it again, alone."
        )
    if not address.encrypted and not address.private:
        raise BadInput(
            f"The key for {endpoint.name!r} would travel unencrypted over http.",
            hint="Use https, or the numeric address of a machine on your own network.",
        )
    return Secret(value)
