"""What every sink asks before it keeps or shows bytes that may hold a secret."""

from typing import Protocol


class Masker(Protocol):
    """Replaces every known form of every known secret by `*`, byte for byte, so that offsets stay."""

    def mask(self, data: bytes) -> bytes:
        """Mask one complete piece of bytes; the length does not change."""
        ...

    def text(self, text: str) -> str:
        """Mask one complete piece of text."""
        ...

    def stream(self) -> "MaskingStream":
        """Begin masking bytes that arrive in pieces."""
        ...


class MaskingStream(Protocol):
    """Masks across borders of pieces by holding back the longest form less one byte."""

    def feed(self, data: bytes) -> bytes:
        """Take a piece, give what is safe to keep."""
        ...

    def finish(self) -> bytes:
        """Give what was held back."""
        ...
