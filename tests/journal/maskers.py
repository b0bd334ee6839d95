"""A masker with one known secret, for sinks."""


class OneSecret:
    """Replaces one value, byte for byte."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def mask(self, data: bytes) -> bytes:
        known = self._secret.encode()
        return data.replace(known, b"*" * len(known))

    def text(self, text: str) -> str:
        return text.replace(self._secret, "*" * len(self._secret))

    def stream(self) -> "OneSecret":
        return self

    def feed(self, data: bytes) -> bytes:
        return self.mask(data)

    def finish(self) -> bytes:
        return b""
