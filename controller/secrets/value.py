"""A secret's value, in a wrapper that does not show it by accident.

`keyring` makes it; whoever delivers it calls `reveal`.
"""

from typing import NoReturn, final

SHOWN = "***"


@final
class SecretText:
    """A value that prints as stars, has no hash and cannot be pickled or compared."""

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash in a set would be a way to guess it

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the value as text; bytes that are not UTF-8 become surrogates, as in the environment."""
        return self._value.decode("utf-8", "surrogateescape")

    def reveal_bytes(self) -> bytes:
        """Give the value."""
        return self._value

    def __repr__(self) -> str:
        return SHOWN

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, spec: str) -> str:
        return format(SHOWN, spec)

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared; compare keyed digests")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("secrets are not pickled")
