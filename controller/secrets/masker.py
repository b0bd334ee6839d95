"""Replaces every known form of every known secret by `*`, byte for byte.

`service` makes one and hands it to every sink as a `controller.model.masking.Masker`; `keyring` tells it each value it
reads. A byte is masked when any form of any value covers it, wherever pieces of the stream begin and end.
"""

import threading
from typing import Final

from controller.secrets.forms import SHORTEST, forms_of
from controller.secrets.search import Search

STAR: Final = b"*"


class ValueMasker:
    """Masks by value; values may be added at any time, from any thread."""

    def __init__(self) -> None:
        self._forms: set[bytes] = set()
        self._lock = threading.Lock()
        self._search = Search()

    def add(self, value: bytes) -> bool:
        """Mask a value from now on; false when it is too short (under 6 bytes) to be masked by value."""
        if len(value.strip()) < SHORTEST:
            return False
        with self._lock:
            fresh = forms_of(value) - self._forms
            if fresh:
                self._forms |= fresh
                self._search = Search(self._forms)
        return True

    def mask(self, data: bytes) -> bytes:
        """Mask one complete piece of bytes; the length does not change."""
        stars = bytearray(data)
        self.cover(data, stars)
        return bytes(stars)

    def text(self, text: str) -> str:
        """Mask one complete piece of text."""
        data = text.encode("utf-8", "surrogatepass")
        stars = self.mask(data)
        return text if stars == data else stars.decode("utf-8", "replace")

    def stream(self) -> "ValueStream":
        """Begin masking bytes that arrive in pieces."""
        return ValueStream(self)

    def cover(self, data: bytes, stars: bytearray) -> int:
        """Put stars into `stars` wherever a form stands in `data`, overlapping ones included.

        Returns:
            The place from which on `data` may go on to be a form.
        """
        search = self._search
        for start, end in search.spans(data):
            stars[start:end] = STAR * (end - start)
        return search.unfinished(data)


class ValueStream:
    """Masks across borders of pieces: only what may be the beginning of a form is held back."""

    def __init__(self, masker: ValueMasker) -> None:
        self._masker = masker
        self._seen = b""  # held back, as it came
        self._stars = bytearray()  # the same bytes, as far as they are masked already

    def feed(self, data: bytes) -> bytes:
        """Take a piece, give what is safe to keep."""
        seen = self._seen + data
        self._stars += data
        ready = self._masker.cover(seen, self._stars)
        given = bytes(self._stars[:ready])
        self._seen = seen[ready:]
        del self._stars[:ready]
        return given

    def finish(self) -> bytes:
        """Give what was held back."""
        given = bytes(self._stars)
        self._seen = b""
        self._stars.clear()
        return given
