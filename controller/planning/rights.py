"""Users that a login cannot become, owners it cannot give files to, limits that nothing there can hold.

Each is an error of the plan, never a half-done job.

Called by `planner` for the pairs that would run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.model.diagnostic import NOWHERE, Diagnostic, Place
from controller.model.observation import ServerSeen
from controller.model.plan import Change
from controller.model.task import Limits, Task
from controller.model.work import Pair, Work


def needs_root(
    pairs: Iterable[Pair], changes: Iterable[Change], servers: Mapping[str, ServerSeen]
) -> tuple[Diagnostic, ...]:
    """Find work for another user on servers where we are not root; one finding a key, however many servers."""
    found: dict[_Want, list[str]] = {}
    for pair, seen in _running(pairs, changes, servers):
        if not seen.root and seen.login is not None:
            for want in _wants(pair.work, seen.login):
                found.setdefault(want, []).append(pair.server)
    return tuple(_tell(want, on) for want, on in found.items())


def no_limits(
    pairs: Iterable[Pair],
    changes: Iterable[Change],
    servers: Mapping[str, ServerSeen],
    tasks: Mapping[str, Task],
) -> tuple[Diagnostic, ...]:
    """Find work with limits that its server cannot hold; one finding a task and want, however many servers."""
    found: dict[_Bound, list[str]] = {}
    for pair, seen in _running(pairs, changes, servers):
        missing = () if seen.limits is None else _missing(pair.work.limits, seen.limits)
        if missing:
            why = f"the login {seen.login} is not root there"
            if seen.root:
                why = "the kernel there lets us use no such cgroup controller"
            found.setdefault(_Bound(task=pair.work.task, missing=missing, why=why), []).append(
                pair.server
            )
    return tuple(_tell_bound(want, tasks, on) for want, on in found.items())


def _running(
    pairs: Iterable[Pair], changes: Iterable[Change], servers: Mapping[str, ServerSeen]
) -> Iterator[tuple[Pair, ServerSeen]]:
    """List the pairs that would run on servers that were reached."""
    running = {(change.target, change.server) for change in changes if change.runs}
    for pair in pairs if running else ():
        if (pair.target, pair.server) in running:
            seen = servers.get(pair.server)
            if seen is not None and seen.reached:
                yield pair, seen


def _missing(limits: Limits, there: tuple[str, ...]) -> tuple[str, ...]:
    wanted = {
        "cpu": limits.cpu,
        "memory": limits.memory,
        "pids": limits.pids,
        "io": limits.io,
    }
    return tuple(kind for kind, bound in wanted.items() if bound is not None and kind not in there)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Want:
    """What only root could do for a login."""

    place: Place
    what: str
    login: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """Limits of a task that a server cannot hold, and why."""

    task: str
    missing: tuple[str, ...]
    why: str


def _wants(work: Work, login: str) -> Iterator[_Want]:
    named = [("user", work.user)]
    named += [(f"steps.{step.name}.user", step.user) for step in work.steps]
    for name, user in named:
        if user is not None and user != login:
            yield _Want(
                place=_place(work, name) or NOWHERE,
                what=f"run as {user}",
                login=login,
                hint="set sudo: true under the server's ssh, or log in as that user",
            )
    for file in work.files:
        for key, wanted in (("owner", file.owner), ("group", file.group)):
            if wanted is not None and wanted != login:
                yield _Want(
                    place=_place(work, f"files.{file.path}.{key}") or file.place or NOWHERE,
                    what=f"give {file.path} to {key} {wanted}",
                    login=login,
                    hint=f"set sudo: true under the server's ssh, or leave {key} out",
                )


def _place(work: Work, name: str) -> Place | None:
    known = work.inputs.get(name)
    return None if known is None else known.place


def _tell_bound(want: _Bound, tasks: Mapping[str, Task], servers: list[str]) -> Diagnostic:
    names = sorted(set(servers))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    places = tasks[want.task].places if want.task in tasks else {}
    return Diagnostic(
        code="no-limits",
        message=f"cannot limit {', '.join(want.missing)} on {names[0]}{more}: {want.why}",
        place=places.get("limits") or places.get("", NOWHERE),
        hint="limits need root and cgroup v2 there, or an agent; or leave them out",
    )


def _tell(want: _Want, servers: list[str]) -> Diagnostic:
    more = f" and {len(servers) - 1} more" if len(servers) > 1 else ""
    return Diagnostic(
        code="needs-root",
        message=f"cannot {want.what} on {servers[0]}{more}: the login {want.login} is not root there",
        place=want.place,
        hint=want.hint,
    )
