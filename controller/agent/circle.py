"""The talks of all sessions: one for each, from its first request until nobody can resume it any more.

`pump` calls it; it calls `talks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from controller.agent.asker import Answerer
from controller.agent.crew import Crew
from controller.agent.talks import Talk
from controller.wire.link import Link
from controller.wire.session import Session


class Circle:
    """What all sessions have under way.

    Args:
        answers: answers what is asked.
        crew: runs what takes time.
        touched: called with a connection that has something to write; None where a session has none now.
    """

    def __init__(
        self, answers: Answerer, crew: Crew, touched: Callable[[Link | None], None]
    ) -> None:
        self._answers = answers
        self._crew = crew
        self._touched = touched
        self._talks: dict[Session, Talk] = {}

    def of(self, session: Session) -> Talk:
        """Give the talk of a session; it begins here."""
        talk = self._talks.get(session)
        if talk is None:
            talk = self._talks[session] = Talk(
                session, self._answers, self._crew, lambda: self._touched(session.link)
            )
        return talk

    def leave(self, session: Session | None) -> None:
        """Note that a connection is gone; where it was the one in use, the session has none for now."""
        talk = self._talks.get(session) if session is not None else None
        if talk is not None and session is not None and session.link is None:
            talk.leave()

    def lose(self, session: Session) -> None:
        """End what a session had under way."""
        talk = self._talks.pop(session, None)
        if talk is not None:
            talk.lose()

    def keep(self, known: Iterable[Session]) -> None:
        """Lose all sessions but these."""
        kept = set(known)
        for session in [one for one in self._talks if one not in kept]:
            self.lose(session)
