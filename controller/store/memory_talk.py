"""The reference twins of what a serving controller says to its callers: tokens, news, answers.

Called by `memory`; records pass through the same text as in the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from controller.model.serving import Answered, News
from controller.model.token import Token
from controller.store import bounds
from controller.store.newsroom import numbered
from controller.store.rows import decode, encode
from controller.store.tokens import in_order, oldest_over, unused


class MemoryTokens:
    """Tokens of the API."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    async def add(self, token: Token) -> bool:
        """Store a new token; false when its id is taken."""
        data = encode(token)
        if token.id in self._tokens:
            return False
        if len(self._tokens) >= bounds.TOKENS:
            del self._tokens[oldest_over(self._all(), token)]
        self._tokens[token.id] = data
        return True

    async def get(self, id_: str) -> Token | None:
        """Find a token by its id."""
        return decode(Token, self._tokens[id_]) if id_ in self._tokens else None

    async def all(self) -> tuple[Token, ...]:
        """List all tokens, oldest first, those that are over included."""
        return in_order(self._all())

    async def change(self, before: Token, after: Token) -> bool:
        """Replace a token that still is as it was read, its use aside; false when it is not."""
        stored = await self.get(before.id)
        if stored is None or unused(stored) != unused(before):
            return False
        used = replace(after, used_at=stored.used_at, used_from=stored.used_from)
        self._tokens[before.id] = encode(used)
        return True

    async def used(self, id_: str, at: datetime, place: str) -> None:
        """Note that a token was used."""
        stored = await self.get(id_)
        if stored is not None:
            self._tokens[id_] = encode(replace(stored, used_at=at, used_from=place))

    def _all(self) -> list[Token]:
        return [decode(Token, data) for data in self._tokens.values()]


class MemoryNewsroom:
    """What changed, in order."""

    def __init__(self) -> None:
        self._news: dict[int, str] = {}
        self._last = 0

    async def append(
        self, at: datetime, items: Sequence[tuple[str, str, Mapping[str, object]]]
    ) -> int:
        """Store news of (kind, name, data) in order; give the number of the last."""
        made = [News(seq=0, at=at, kind=kind, name=name, data=data) for kind, name, data in items]
        rows = numbered(made, self._last)
        self._news |= {seq: str(row["data"]) for seq, row in enumerate(rows, self._last + 1)}
        self._last += len(rows)
        first = self._last - bounds.NEWS
        self._news = {seq: data for seq, data in self._news.items() if seq > first}
        return self._last

    async def after(self, seq: int, *, limit: int = 500) -> tuple[News, ...]:
        """Give what came after a number, oldest first."""
        rows = [data for number, data in self._news.items() if number > seq]
        return tuple(decode(News, data) for data in rows[:limit])

    async def ends(self) -> tuple[int, int]:
        """Give the numbers of the oldest and the newest that are kept; (0, 0) while there is none."""
        return (min(self._news), max(self._news)) if self._news else (0, 0)


class MemoryAnswers:
    """Answers that were given."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], Answered] = {}

    async def reserve(self, answered: Answered) -> Answered | None:
        """Store the beginning of an answer (status 0); give what is stored already under the same key and caller."""
        edge = answered.at - bounds.ANSWERED
        self._answers = {key: one for key, one in self._answers.items() if one.at > edge}
        found = self._answers.get((answered.key, answered.caller))
        if found is not None:
            return found
        self._keep(answered)
        newest = sorted((one.at for one in self._answers.values()), reverse=True)[: bounds.ANSWERS]
        kept = {key: one for key, one in self._answers.items() if one.at >= newest[-1]}
        self._answers = kept
        return None

    async def complete(self, answered: Answered) -> None:
        """Store the whole answer in place of its beginning."""
        self._keep(answered)

    async def drop(self, key: str, caller: str) -> None:
        """Delete an answer whose request came to nothing, so that it may be tried again."""
        self._answers.pop((key, caller), None)

    def _keep(self, answered: Answered) -> None:
        self._answers[answered.key, answered.caller] = decode(Answered, encode(answered))
