"""Plan files on disk: written whole and for their owner only, signed where that is wanted, read and checked again.

Called by the facade and by `applying`. Beside a plan file PLAN lies its signature, PLAN.sig.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from controller.errors import RefusedError, StateError, VerificationError
from controller.model.plan import Plan
from controller.planning import saved
from controller.reconcile.rooms import Rooms
from controller.source import seals
from controller.source.objects import escaped


async def write(
    rooms: Rooms, plan: Plan, path: Path, *, expires: timedelta, key: Path | None
) -> Plan:
    """Save a plan for `apply`, and sign it with `key`.

    Raises:
        RefusedError: its declarations are not committed.
        SourceError: it cannot be signed; then nothing is written.
        StateError: the file cannot be written.
    """
    kept = replace(plan, expires_at=rooms.clock.now() + expires)
    data = saved.dump(kept)
    signature = None
    if key is not None:
        agent = rooms.environment.get("SSH_AUTH_SOCK")
        signature = await asyncio.to_thread(
            seals.sign, data, key, agent=Path(agent) if agent else None
        )
    try:
        signature_of(path).unlink(missing_ok=True)  # one of an earlier plan would not fit this one
        put(path, data)
        if signature is not None:
            put(signature_of(path), signature)
    except OSError as error:
        raise StateError(f"cannot write the plan {path}: {error.strerror}") from error
    return kept


def put(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        part.touch(mode=0o600, exist_ok=False)
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def signature_of(path: Path) -> Path:
    """Say where the signature of a plan file lies."""
    return path.with_name(f"{path.name}.sig")


def lying_in(root: Path, path: Path | None) -> frozenset[str]:
    """Name a plan file and its signature as files of the repository, if they lie in it: they declare nothing."""
    own = () if path is None else (path.resolve(), signature_of(path.resolve()))
    top = root.resolve()
    return frozenset(
        escaped(one.relative_to(top).as_posix()) for one in own if one.is_relative_to(top)
    )


async def read(rooms: Rooms, path: Path, *, signers: Path | None) -> Plan:
    """Read a saved plan; with `signers`, only one that one of them signed.

    Raises:
        StateError: a file cannot be read.
        RefusedError: it is not signed as asked, or its time is over.
        DeclarationError: it is no plan.
    """
    data = content(path, "plan")
    if signers is not None:
        await checked(data, path, content(signers, "list of signers"))
    return saved.load(data, rooms.clock.now())


async def checked(data: bytes, path: Path, signers: bytes) -> str:
    """Say who signed a plan file.

    Raises:
        RefusedError: nobody of the signers did.
    """
    try:
        signature = bounded(signature_of(path), seals.LARGEST)
    except OSError as error:
        raise RefusedError(
            f"the plan {path} is not signed: there is no {signature_of(path).name}",
            hint="ctl plan --out FILE --sign KEY",
        ) from error
    try:
        return await asyncio.to_thread(seals.check, data, signature, signers)
    except VerificationError as error:
        raise RefusedError(f"cannot apply the plan {path}: {error.message}") from error


def content(path: Path, noun: str) -> bytes:
    """Read a file that a person named."""
    try:
        return bounded(path, saved.SIZE_LIMIT)
    except OSError as error:
        raise StateError(f"cannot read the {noun} {path}: {error.strerror}") from error


def bounded(path: Path, most: int) -> bytes:
    """Read a file, but no more of it than one byte too many: whoever gets that refuses it."""
    with path.open("rb") as file:
        return file.read(most + 1)
