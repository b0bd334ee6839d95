"""Who may ask what of an agent, by the certificate of whoever asks: one table, and the owner that an attempt gets.

Controllers and admins may do everything, controllers for the owner they name. A user sees everything about attempts, starts
work in his own name as the Linux user of that name, and manages what is his. An agent that offers only its scripts takes
no other work from anybody. `answering` asks before it does anything; it calls nobody. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from controller.agent.asker import Asker
from controller.agent.errors import DeniedError
from controller.wire.messages import attempts, files, server, streams, targets
from controller.wire.record import record


class Right(Enum):
    """What somebody needs to ask for something."""

    SEE = "see"  # a good certificate
    START = "start"  # users: in their own name, as their own Linux user
    OWN = "own"  # users: of attempts or jobs that are theirs
    RULE = "rule"  # controllers and admins


@record
class Rule:
    """What one kind needs; `scripts_only` says whether an agent of nothing but scripts takes it."""

    right: Right
    scripts_only: bool = True


_SEE, _OWN, _RULE = Rule(right=Right.SEE), Rule(right=Right.OWN), Rule(right=Right.RULE)
_WORK = Rule(right=Right.START, scripts_only=False)
RULES: Mapping[type, Rule] = {
    attempts.Start: _WORK,
    attempts.RunScript: Rule(right=Right.START),
    attempts.GetAttempt: _SEE,
    attempts.WaitAttempt: _SEE,
    attempts.StopAttempt: _OWN,
    attempts.PauseAttempt: _OWN,
    attempts.ResumeAttempt: _OWN,
    attempts.Discard: _OWN,
    attempts.ListAttempts: _SEE,
    targets.ReadMarkers: _RULE,
    targets.ReadLocks: _RULE,
    targets.ClaimTarget: _RULE,
    targets.ReleaseTarget: _RULE,
    targets.ForgetTarget: _RULE,
    files.Probe: _WORK,
    files.ListArtifacts: _SEE,
    files.ListWorkspace: _SEE,
    files.RemoveFile: _OWN,
    files.GetSize: _SEE,
    server.ListScripts: _SEE,
    server.Inspect: _SEE,
    server.GetPool: _SEE,
    server.SetPool: _RULE,
    server.GetReport: _SEE,
    streams.OpenOutput: _SEE,
    streams.OpenFile: _SEE,
    streams.OpenWorkspace: _OWN,
    streams.OpenInput: _OWN,
    streams.OpenUpload: Rule(right=Right.OWN, scripts_only=False),
}
"""By record. Files outside of artifacts need RULE and no `scripts_only`, too: `check_path` says so."""
ARTIFACTS = "artifacts:"
WORKSPACE = "workspace:"


def check_kind(asker: Asker, kind: type, *, scripts_only: bool) -> Right:
    """Refuse what nobody with this role may ask; give the right that the rest depends on.

    Raises:
        DeniedError: the role has no right to it, or this agent does not take it from anybody.
    """
    rule = RULES[kind]
    if scripts_only and not rule.scripts_only:
        raise DeniedError(
            f"cannot take {_words(kind)} here: this agent runs nothing but its scripts",
            hint="`ctl tasks` lists them",
        )
    if rule.right is Right.RULE and is_user(asker):
        raise DeniedError(
            f"cannot let {asker.name} {_words(kind)}: only controllers and admins may"
        )
    return rule.right


def check_own(asker: Asker, owners: frozenset[str], what: str) -> None:
    """Refuse a user whatever is not theirs alone; no owner at all is nobody's.

    Raises:
        DeniedError: it belongs to others.
    """
    if is_user(asker) and owners != {asker.name}:
        raise DeniedError(f"cannot let {asker.name} touch {what[:200]}: it is not theirs")


def check_path(asker: Asker, path: str, *, scripts_only: bool) -> None:
    """Refuse a file of the machine to users, and to everybody where there are only scripts.

    Raises:
        DeniedError: it is no artifact.
    """
    if not path.startswith(ARTIFACTS) and (is_user(asker) or scripts_only):
        raise DeniedError(
            f"cannot let {asker.name} read {path[:200]!r}: only artifacts may be read"
        )


def owner_of(asker: Asker, owner: str) -> str:
    """Say whose an attempt is.

    Args:
        asker: who starts it.
        owner: whom they name; empty is nobody in particular, for a user themselves.

    Raises:
        DeniedError: a user names somebody else.
    """
    if not is_user(asker):
        return owner or (asker.name if asker.role == "admin" else "")
    if owner not in ("", asker.name):
        raise DeniedError(f"cannot let {asker.name} start work of {owner[:80]}")
    return asker.name


def check_user(asker: Asker, user: str | None, uid: int) -> None:
    """Refuse a user to work as anybody else than themselves, or as root.

    Args:
        asker: who starts it.
        user: the Linux user that it becomes.
        uid: of that.

    Raises:
        DeniedError: it is another.
    """
    if is_user(asker) and (user != asker.name or uid == 0):
        raise DeniedError(
            f"cannot let {asker.name} work as {user or 'the user of the agent'}",
            hint=f"users work as the Linux user of their own name, and never as root: --as {asker.name}",
        )


def is_user(asker: Asker) -> bool:
    """Say whether somebody has only the rights of a user; whatever is no controller and no admin has."""
    return asker.role not in ("controller", "admin")


def _words(kind: type) -> str:
    """Say a kind in words, e.g. "set pool" of SetPool."""
    return "".join(f" {one.lower()}" if one.isupper() else one for one in kind.__name__).strip()
