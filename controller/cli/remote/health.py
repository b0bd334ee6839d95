"""`ctl doctor --controller`: how the controller over there is, checked one by one from its own documents.

Called by `controller`; calls the client.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from controller import __version__
from controller.cli.remote.client import Client, listing, mapping
from controller.errors import RefusedError
from controller.reconcile.exchange.checks import Finding, Verdict

SHOWN: Final = 3
"""Findings about one log that are told."""


async def findings(client: Client) -> tuple[Finding, ...]:
    """Check that it answers, its version, its parts, its declarations, what it holds back, and its logs."""
    version = mapping(await client.get("/version"))
    health = mapping(await client.get("/health"))
    status = mapping(await client.get("/api/v1/status"))
    return (
        _version(client.url, str(version["version"])),
        *_parts(health),
        _declarations(status),
        *_held(status),
        *await _logs(client),
    )


def _version(url: str, version: str) -> Finding:
    said = f"{url} answers, version {version}"
    if version == __version__:
        return Finding(name="controller", verdict=Verdict.GOOD, message=said)
    return Finding(
        name="controller",
        verdict=Verdict.WARN,
        message=f"{said}; this ctl is {__version__}",
        remedy="install the same version here",
    )


def _parts(health: Mapping[str, object]) -> Iterator[Finding]:
    """Say which parts run; who has no token is told no more than whether all do."""
    parts = [mapping(one) for one in listing(health.get("parts", []))]
    if not parts:
        well = health.get("status") == "ok"
        yield Finding(
            name="parts",
            verdict=Verdict.GOOD if well else Verdict.BAD,
            message=f"{health.get('status')}",
            remedy=None if well else "ctl doctor with a token names the part",
        )
    for part in parts:
        runs = bool(part.get("running"))
        error = f": {part['error']}" if part.get("error") else ""
        yield Finding(
            name=f"part {part['name']}",
            verdict=Verdict.GOOD if runs else Verdict.BAD,
            message=f"{'runs' if runs else 'does not run'}, last seen {part.get('seen_at')}{error}",
            remedy=None if runs else "journalctl -u ctl on the controller's machine",
        )


def _declarations(status: Mapping[str, object]) -> Finding:
    invalid, force = status.get("invalid"), status.get("in_force")
    if invalid is not None:
        told = mapping(invalid)
        return Finding(
            name="declarations",
            verdict=Verdict.BAD,
            message=f"{told.get('commit')} is refused: {told.get('message') or 'it holds errors'}",
            remedy="ctl status",
        )
    if force is None:
        return Finding(
            name="declarations",
            verdict=Verdict.WARN,
            message="none are in force yet",
            remedy="ctl status says more in a moment",
        )
    return Finding(
        name="declarations",
        verdict=Verdict.GOOD,
        message=f"{mapping(force)['commit']} is in force",
    )


def _held(status: Mapping[str, object]) -> Iterator[Finding]:
    if status.get("held") is not None:
        yield Finding(
            name="state",
            verdict=Verdict.WARN,
            message=f"nothing is carried out: {status['held']}",
            remedy="ctl restore --release --reason TEXT on the controller's machine",
        )


async def _logs(client: Client) -> tuple[Finding, ...]:
    """Say whether the chains of the logs are whole, where whoever asks may know."""
    try:
        told = mapping(await client.get("/api/v1/logs/verify"))
    except RefusedError as error:
        return (Finding(name="logs", verdict=Verdict.WARN, message=error.message),)
    return tuple(
        finding
        for name, log in mapping(told["logs"]).items()
        for finding in _chain(f"{name} log", mapping(log))
    )


def _chain(name: str, log: Mapping[str, object]) -> Iterator[Finding]:
    found = [mapping(one) for one in listing(log["findings"])]
    if not found:
        yield Finding(name=name, verdict=Verdict.GOOD, message="its chain is whole")
    for one in found[:SHOWN]:
        yield Finding(
            name=name,
            verdict=Verdict.WARN if log["holds"] else Verdict.BAD,
            message=f"{one['file']}:{one['line']}: {one['message']}",
            remedy="ctl logs verify",
        )
