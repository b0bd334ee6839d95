"""Users that a login cannot become, and owners it cannot give files to: an error of the plan, never a half-done job.

Called by `planner` for the pairs that would run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.model.diagnostic import NOWHERE, Diagnostic, Place
from controller.model.observation import ServerSeen
from controller.model.plan import Change
from controller.model.work import Pair, Work


def needs_root(
    pairs: Iterable[Pair], changes: Iterable[Change], servers: Mapping[str, ServerSeen]
) -> tuple[Diagnostic, ...]:
    """Find work for another user on servers where we are not root; one finding a key, however many servers."""
    running = {(change.target, change.server) for change in changes if change.runs}
    if not running:
        return ()
    found: dict[_Want, list[str]] = {}
    for pair in pairs:
        if (pair.target, pair.server) in running:
            seen = servers.get(pair.server)
            if seen is not None and seen.reached and not seen.root and seen.login is not None:
                for want in _wants(pair.work, seen.login):
                    found.setdefault(want, []).append(pair.server)
    return tuple(_tell(want, on) for want, on in found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Want:
    """What only root could do for a login."""

    place: Place
    what: str
    login: str
    hint: str


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


def _tell(want: _Want, servers: list[str]) -> Diagnostic:
    more = f" and {len(servers) - 1} more" if len(servers) > 1 else ""
    return Diagnostic(
        code="needs-root",
        message=f"cannot {want.what} on {servers[0]}{more}: the login {want.login} is not root there",
        place=want.place,
        hint=want.hint,
    )
