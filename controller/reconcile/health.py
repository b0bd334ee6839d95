"""`ctl doctor`: what a controller needs here, checked one by one; each finding names its remedy."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

from controller.declaration import loader
from controller.journal.log import Log
from controller.model.diagnostic import Severity
from controller.reconcile.exchange.checks import Finding, Verdict
from controller.reconcile.rooms import Rooms

GIT_NEEDED: Final = (2, 34)
"""The first git that verifies ssh signatures."""


async def doctor(rooms: Rooms) -> tuple[Finding, ...]:
    """Check programs, the config repository, the declarations, the state and the logs."""
    path = rooms.environment.get("PATH", "")
    return (
        git_finding(path),
        program("ssh", path, "git over ssh needs it", "apt-get install openssh-client"),
        config_finding(rooms),
        declaration_finding(rooms),
        Finding(name="state", verdict=Verdict.GOOD, message=f"{rooms.state} opens and is whole"),
        *log_findings("activity", rooms.activity),
        *log_findings("connectivity", rooms.connectivity),
    )


def git_finding(path: str) -> Finding:
    """Look for git and its version."""
    where = shutil.which("git", path=path)
    if where is None:
        remedy = "apt-get install git"
        return Finding(name="git", verdict=Verdict.BAD, message="git is missing", remedy=remedy)
    said = subprocess.run([where, "--version"], capture_output=True, text=True, check=False).stdout
    digits = [part for part in said.split() if part[:1].isdigit()]
    version = tuple(int(n) for n in digits[0].split(".")[:2] if n.isdigit()) if digits else (0,)
    if version < GIT_NEEDED:
        return Finding(
            name="git",
            verdict=Verdict.WARN,
            message=f"{said.strip()} cannot verify ssh signatures",
            remedy="install git 2.34 or newer",
        )
    return Finding(name="git", verdict=Verdict.GOOD, message=said.strip())


def program(name: str, path: str, use: str, remedy: str) -> Finding:
    """Look for a program that some features need."""
    where = shutil.which(name, path=path)
    if where is None:
        return Finding(
            name=name, verdict=Verdict.WARN, message=f"{name} is missing; {use}", remedy=remedy
        )
    return Finding(name=name, verdict=Verdict.GOOD, message=where)


def config_finding(rooms: Rooms) -> Finding:
    """Say how the config repository stands."""
    root = rooms.config.root
    if not rooms.config.in_git:
        return Finding(
            name="config repository",
            verdict=Verdict.WARN,
            message=f"{root} is not a git repository; apply refuses what is not committed",
            remedy="git init && git add -A && git commit",
        )
    head, dirty = rooms.config.head(), rooms.config.dirty()
    if head is None:
        return Finding(
            name="config repository",
            verdict=Verdict.WARN,
            message=f"{root} has no commit yet",
            remedy="git commit",
        )
    state = f"{len(dirty)} files not committed" if dirty else "everything committed"
    return Finding(
        name="config repository", verdict=Verdict.GOOD, message=f"{root} at {head.short}, {state}"
    )


def declaration_finding(rooms: Rooms) -> Finding:
    """Say whether the declarations are valid."""
    loaded = loader.load(rooms.config.work_tree(), forms=rooms.forms)
    errors = sum(1 for one in loaded.diagnostics if one.severity is Severity.ERROR)
    if loaded.declaration is None:
        return Finding(
            name="declarations",
            verdict=Verdict.BAD,
            message=f"{errors} errors",
            remedy="ctl validate",
        )
    made = loaded.declaration
    message = f"{len(made.inventory.servers)} servers, {len(made.targets)} targets"
    return Finding(name="declarations", verdict=Verdict.GOOD, message=message)


def log_findings(name: str, log: Log) -> Iterator[Finding]:
    """Say whether the chain of a log is whole."""
    found = log.verify()
    if not found:
        yield Finding(name=f"{name} log", verdict=Verdict.GOOD, message="its chain is whole")
    for one in found[:3]:
        yield Finding(
            name=f"{name} log",
            verdict=Verdict.BAD if one.broken else Verdict.WARN,
            message=f"{one.file}:{one.line}: {one.message}",
            remedy="ctl logs verify",
        )
