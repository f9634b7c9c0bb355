"""A value that shows itself to nobody by accident."""

from __future__ import annotations


class Secret:
    """Bytes that no repr, log or traceback prints; ``reveal`` is the only way to them.

    Textual's crash screen and many log formats print local variables, so keys and passphrases are
    carried in this wrapper and unwrapped inside the call that needs them.
    """

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes | str) -> None:
        self._bytes = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._bytes

    def reveal_text(self) -> str:
        """The bytes as UTF-8 text."""
        return self._bytes.decode()

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def __eq__(self, other: object) -> bool:
        import hmac  # here: it brings OpenSSL's hashes, for which the first paint should not wait

        return isinstance(other, Secret) and hmac.compare_digest(self._bytes, other._bytes)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
