"""News for one controller: each in order, as fast as it takes them, and all that was never noted after it was gone.

`talks` calls it for sessions of controllers; people ask instead. It calls whoever answers, and the session of `wire`.
"""

from __future__ import annotations

from typing import Callable, Union

from controller.agent.asker import Answerer
from controller.wire.errors import WindowFullError
from controller.wire.messages.news import Changed, Reported
from controller.wire.session import Session

News = Union[Changed, Reported]


class Telling:
    """Says the news in one session; begins with those that nobody has noted yet.

    Args:
        wire: the session.
        answers: where news come from.
        touched: called when there is something to write.
    """

    def __init__(self, wire: Session, answers: Answerer, touched: Callable[[], None]) -> None:
        self._wire = wire
        self._answers = answers
        self._touched = touched
        self._said = 0
        self._behind = True
        self._leave = answers.listen(self._tell)
        self.eased()

    def eased(self) -> None:
        """Say what had to wait, as far as there is room."""
        if not self._behind:
            return
        self._behind = False
        for one in self._answers.unnoted():
            if not self._say(one):
                return

    def close(self) -> None:
        """Say nothing more."""
        self._leave()

    def _tell(self, news: object) -> None:
        if not self._behind:
            self._say(news)

    def _say(self, news: object) -> bool:
        """Say one; where there is no room, all from it on are said later."""
        if not isinstance(news, (Changed, Reported)) or news.number <= self._said:
            return True
        try:
            self._wire.notify(news)
        except WindowFullError:
            self._behind = True
            return False
        self._said = news.number
        self._touched()
        return True
