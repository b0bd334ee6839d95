"""Keeping what is in force when the newest declarations are refused: told loudly and once, until newer ones are taken.

Called by the reconciler of `config` and by `accepting`. What is said stands as a condition, in the news, the log and a notice.
"""

import logging
from typing import Final

from controller.errors import ControllerError
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.notice import Notice, Occasion
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.loop.generation import Invalid
from controller.reconcile.loop.keys import CONFIG
from controller.reconcile.loop.world import World
from controller.reconcile.said import Said

LOG: Final = logging.getLogger(__name__)
SUBJECT: Final = "config"
PROBLEM: Final = "invalid"
SHOWN: Final = 5
"""Findings that a line of the log and a notice name."""
ACCEPT: Final = (
    "push a commit that descends from it, or: ctl check config --accept-rewind --reason TEXT"
)
"""What a person can do about a history that was rewritten."""


def refused_by(world: World, error: ControllerError) -> Invalid:
    """Say that the newest commit was not even read."""
    return Invalid(sha=None, at=world.rooms.clock.now(), message=error.message)


def invalid_of(world: World, sha: Sha, error: InvalidDeclarationError) -> Invalid:
    """Say which commit holds which errors."""
    now = world.rooms.clock.now()
    return Invalid(sha=sha, at=now, message=error.message, diagnostics=error.diagnostics)


async def refuse(world: World, invalid: Invalid, *, clear: str | None = None) -> None:
    """Keep what is in force, and tell that the newest declarations are not: mark, news, log and notice, once for each."""
    findings = [line_of(one) for one in invalid.diagnostics[:SHOWN]]
    said = Said(reason="Invalid", message="; ".join([invalid.message, *findings]), clear=clear)
    await world.say(CONFIG, said)  # each time: that the remote was away may have been said since
    before = world.force.invalid
    if before is not None and (before.sha, before.message) == (invalid.sha, invalid.message):
        return
    world.force.invalid = invalid
    LOG.error("the newest declarations are refused: %s", said.message)
    await world.rooms.activity.append(
        "config-refused",
        world.rooms.actor,
        commit=invalid.sha,
        message=invalid.message,
        findings=findings,
    )
    world.news.tell("config", SUBJECT, commit=invalid.sha, valid=False, message=invalid.message)
    await world.notices.post(_notice(world, Occasion.INVALID, invalid.message, findings))


async def accept_again(world: World) -> None:
    """Tell that what is newest is in force, where it was not."""
    world.force.invalid = None
    if await world.say(CONFIG, None):
        words = "the newest declarations are in force again"
        await world.notices.over(SUBJECT, PROBLEM, _notice(world, Occasion.RECOVERED, words, []))


def _notice(world: World, occasion: Occasion, title: str, lines: list[str]) -> Notice:
    revision = None if world.generation is None else world.generation.revision
    return Notice(
        id=world.rooms.ids(),
        at=world.rooms.clock.now(),
        occasion=occasion,
        subject=SUBJECT,
        title=f"config: {title}",
        lines=tuple(lines),
        facts={"in_force": None if revision is None else revision.sha},
        problem=PROBLEM if occasion is Occasion.INVALID else None,
    )


def line_of(finding: Diagnostic) -> str:
    """Say a finding on one line."""
    return f"{finding.place}: {finding.message}"
