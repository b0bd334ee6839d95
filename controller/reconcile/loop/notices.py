"""The noticeboard: what the reconcilers have to tell becomes letters in the outbox, for those who want to hear of it.

Made by `service`, called by the reconcilers and by `outbox`; calls the store. Who hears of what is decided in `notify.deciding`. Letters and
troubles are kept in one transaction, and nothing is kept of a secret: texts are masked before.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.clock import Clock
from controller.model.masking import Masker
from controller.model.notice import Letter, Notice, Occasion, Trouble
from controller.model.notifier import Notifier
from controller.notify import deciding
from controller.notify.deciding import Decision
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.keys import OUTBOX
from controller.store.ports_serving import Outbox
from controller.workqueue.port import Queue

DEPTH: Final = 8
"""Levels of the facts of a notice that are kept."""
LOG: Final = logging.getLogger(__name__)


class Noticeboard:
    """Where people are told of what happens.

    Args:
        outbox: keeps letters and troubles.
        force: knows the notifiers that are declared.
        queue: is told that there is something to send.
        clock: dates letters.
        masker: hides secrets that somebody wrote into a text.
    """

    def __init__(
        self, outbox: Outbox, force: InForce, queue: Queue, clock: Clock, masker: Masker
    ) -> None:
        self._outbox = outbox
        self._force = force
        self._queue = queue
        self._clock = clock
        self._masker = masker
        self._turn = asyncio.Lock()
        self.dropped = 0
        """Letters that were dropped before anybody could take them, because too many waited."""

    def wants(self, occasion: Occasion) -> bool:
        """Say whether any notifier wants to hear of an occasion."""
        return any(occasion in notifier.events for notifier in self._notifiers())

    async def post(self, notice: Notice) -> None:
        """Tell of something, once where it is a trouble that stands.

        Raises:
            StateError: it could not be kept.
        """
        await self.post_all([notice])

    async def post_all(self, notices: Iterable[Notice]) -> None:
        """Tell of several things, in one transaction.

        Raises:
            StateError: they could not be kept.
        """
        masked = [_masked(notice, self._masker) for notice in notices]
        if not any(self.wants(notice.occasion) for notice in masked):
            return
        async with self._turn:
            decision, now = Decision(), self._clock.now()
            names = {deciding.trouble_name(n.subject, n.problem) for n in masked if n.problem}
            known = dict(await self._outbox.troubles(names)) if names else {}
            for notice in masked:
                name = deciding.trouble_name(notice.subject, notice.problem or "")
                one = deciding.begun(
                    notice,
                    known=known.get(name),
                    notifiers=self._notifiers(),
                    chosen=self._chosen(notice),
                    now=now,
                )
                known |= {name: each for name, each in one.troubles.items() if each is not None}
                decision = _both(decision, one)
            await self._keep(decision, now)

    async def over(self, subject: str, problem: str, notice: Notice) -> None:
        """Tell that a trouble is over, where anybody was told of it.

        Raises:
            StateError: it could not be kept.
        """
        name = deciding.trouble_name(subject, problem)
        async with self._turn:
            known = (await self._outbox.troubles([name])).get(name)
            if known is None:
                return
            now = self._clock.now()
            decision = deciding.ended(
                name,
                _masked(notice, self._masker),
                known=known,
                notifiers=self._notifiers(),
                now=now,
            )
            await self._keep(decision, now)

    async def settle(self) -> datetime | None:
        """Do what time alone brings: tell again, tell what is owed, forget; say when there is more of that.

        Raises:
            StateError: it could not be kept.
        """
        async with self._turn:
            now = self._clock.now()
            troubles = dict(await self._outbox.troubles())
            decision = self._undeclared(troubles, now)
            troubles |= {name: one for name, one in decision.troubles.items() if one is not None}
            later = deciding.settled(troubles, notifiers=self._notifiers(), now=now)
            await self._keep(_both(decision, later), now)
            return later.again

    def _undeclared(self, troubles: Mapping[str, Trouble], now: datetime) -> Decision:
        """End the troubles of what is not declared any more: nobody would do so otherwise."""
        decision = Decision()
        for name, trouble in troubles.items():
            if trouble.over is None and self._is_gone(trouble.notice.subject):
                title = f"{trouble.notice.subject.partition('/')[2]} is no longer declared"
                notice = replace(
                    trouble.notice,
                    id=f"{trouble.notice.id}/gone",
                    at=now,
                    occasion=Occasion.RECOVERED,
                    title=title,
                    lines=(),
                    problem=None,
                )
                notifiers = self._notifiers()
                end = deciding.ended(name, notice, known=trouble, notifiers=notifiers, now=now)
                decision = _both(decision, end)
        return decision

    def _is_gone(self, subject: str) -> bool:
        generation = self._force.generation
        kind, _, name = subject.partition("/")
        if generation is None:
            return False
        declared: Mapping[str, Collection[str]] = {
            "target": generation.declaration.targets,
            "server": generation.declaration.inventory.servers,
            "repo": generation.declaration.repos,
            "secret": generation.declaration.secrets,
        }
        return kind in declared and name not in declared[kind]

    async def write(self, letters: Sequence[Letter]) -> None:
        """Put letters of another kind into the outbox.

        Raises:
            StateError: they could not be kept.
        """
        await self._keep(Decision(letters=tuple(letters)), self._clock.now())

    async def _keep(self, decision: Decision, now: datetime) -> None:
        if decision.letters or decision.troubles:
            dropped = await self._outbox.post(decision.letters, troubles=decision.troubles)
            self.dropped += dropped
            if dropped:
                LOG.warning("dropped %d letters: too many wait in the outbox", dropped)
        moments = [letter.due for letter in decision.letters]
        moments += [] if decision.again is None else [decision.again]
        if moments:
            after = (min(moments) - now).total_seconds()
            await self._queue.add(str(OUTBOX), after=max(0.0, after))

    def _notifiers(self) -> tuple[Notifier, ...]:
        generation = self._force.generation
        return () if generation is None else tuple(generation.declaration.notifiers.values())

    def _chosen(self, notice: Notice) -> tuple[str, ...]:
        generation = self._force.generation
        if generation is None or notice.target is None:
            return ()
        target = generation.declaration.targets.get(notice.target)
        return () if target is None else target.notify


def _both(one: Decision, other: Decision) -> Decision:
    moments = [each.again for each in (one, other) if each.again is not None]
    return Decision(
        letters=(*one.letters, *other.letters),
        troubles={**one.troubles, **other.troubles},
        again=min(moments, default=None),
    )


def _masked(notice: Notice, masker: Masker) -> Notice:
    facts = _hidden(notice.facts, masker, DEPTH)
    return replace(
        notice,
        title=masker.text(notice.title),
        lines=tuple(masker.text(line) for line in notice.lines),
        facts=facts if isinstance(facts, Mapping) else {},
    )


def _hidden(value: object, masker: Masker, depth: int) -> object:
    """Mask every text in facts."""
    match value:
        case str():
            return masker.text(value)
        case Mapping() if depth:
            pairs = value.items()
            return {masker.text(str(k)): _hidden(one, masker, depth - 1) for k, one in pairs}
        case list() | tuple() if depth:
            return [_hidden(one, masker, depth - 1) for one in value]
        case int() | float() | None:
            return value
        case _:
            return masker.text(str(value))
