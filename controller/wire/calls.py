"""Requests under way, asked by this side or owed an answer by it.

`session` calls it. Numbers of requests only rise, so one that comes twice can't be taken twice.
"""

from __future__ import annotations

from controller.wire.errors import ProtocolError, UnknownCallError, WindowFullError


class Calls:
    """Both directions of requests and replies of one session."""

    def __init__(self, most: int) -> None:
        self._most_in = most
        self.most_out = most
        """Requests that the peer takes at once; it says so in its greeting."""
        self._asked: dict[int, type] = {}
        self._owed: dict[int, type] = {}
        self._last_asked = 0
        self._last_owed = 0

    def go_on(self, before: Calls) -> None:
        """Give no number again that was given before."""
        self._last_asked = before._last_asked

    @property
    def asked(self) -> tuple[int, ...]:
        """Requests of this side without a reply."""
        return tuple(self._asked)

    @property
    def full(self) -> bool:
        """Say whether another request must wait for a reply."""
        return len(self._asked) >= self.most_out

    @property
    def next(self) -> int:
        """The number of the request that is asked next."""
        return self._last_asked + 1

    def ask(self, reply: type) -> int:
        """Number a request that `reply` answers.

        Raises:
            WindowFullError: as many are under way as the peer takes.
        """
        if self.full:
            raise WindowFullError(f"cannot ask: {len(self._asked)} requests have no reply yet")
        self._last_asked += 1
        self._asked[self._last_asked] = reply
        return self._last_asked

    def settle(self, number: int) -> type:
        """Take the reply to a request; give the record that it should be.

        Raises:
            ProtocolError: no such request is under way.
        """
        try:
            return self._asked.pop(number)
        except KeyError:
            raise ProtocolError("bad-answer", f"request {number} is not under way") from None

    def owe(self, number: int, reply: type) -> None:
        """Take a request.

        Raises:
            ProtocolError: its number is not new, or more are under way than were allowed.
        """
        if number <= self._last_owed:
            raise ProtocolError("bad-call", f"request {number} comes after {self._last_owed}")
        if len(self._owed) >= self._most_in:
            raise ProtocolError("too-many-calls", f"more than {self._most_in} requests at once")
        self._last_owed = number
        self._owed[number] = reply

    def owed(self, number: int) -> type:
        """Give the record that answers a request.

        Raises:
            UnknownCallError: it is answered, or never came.
        """
        try:
            return self._owed[number]
        except KeyError:
            raise UnknownCallError(f"cannot reply: request {number} waits for nothing") from None

    def pay(self, number: int) -> None:
        """Forget a request that was answered."""
        del self._owed[number]
