"""Users that a login cannot become: an error of the plan, never a half-done job.

Called by `planner` for the pairs that would run.
"""

from collections.abc import Iterable, Iterator, Mapping

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
    found: dict[tuple[Place, str, str], list[str]] = {}
    for pair in pairs:
        if (pair.target, pair.server) in running:
            seen = servers.get(pair.server)
            if seen is not None and seen.reached and not seen.root and seen.login is not None:
                for user, place in _users(pair.work):
                    if user != seen.login:
                        found.setdefault((place, user, seen.login), []).append(pair.server)
    return tuple(_tell(place, user, login, on) for (place, user, login), on in found.items())


def _users(work: Work) -> Iterator[tuple[str, Place]]:
    named = [("user", work.user)]
    named += [(f"steps.{step.name}.user", step.user) for step in work.steps]
    for name, user in named:
        if user is not None:
            known = work.inputs.get(name)
            yield user, (None if known is None else known.place) or NOWHERE


def _tell(place: Place, user: str, login: str, servers: list[str]) -> Diagnostic:
    more = f" and {len(servers) - 1} more" if len(servers) > 1 else ""
    return Diagnostic(
        code="needs-root",
        message=f"cannot run as {user} on {servers[0]}{more}: the login {login} is not root there",
        place=place,
        hint="set sudo: true under the server's ssh, or log in as that user",
    )
