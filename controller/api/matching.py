"""From a request line to a route of the table: one spelling of each path, everything else is refused before anybody is asked for.

Pure. Called by the gate; the app behind it matches the same table again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

from controller.api.problems import refuse
from controller.api.route import Route

LONGEST: Final = 2048
"""Bytes of a path."""
_RAW: Final = re.compile(rb"/[A-Za-z0-9._~@:+%/-]*")
_HOLE: Final = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and what its path names."""

    route: Route
    names: dict[str, str]


class Table:
    """All routes, ready to be asked."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._open: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        for path, methods in by_path.items():
            if "{" in path:
                self._open.append((pattern(path), methods))
            else:
                self._fixed[path] = methods

    def find(self, method: str, raw_path: bytes) -> Match:
        """Find the route of a request.

        Raises:
            ProblemError: the path is spelled in a way that has two readings, nothing is there, or not by this method.
        """
        path = spelled(raw_path)
        methods, names = self._fixed.get(path), dict[str, str]()
        if methods is None:
            methods, names = self._matched(path)
        route = methods.get(method)
        if route is None:
            allow = ", ".join(sorted(methods))
            raise refuse(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method-not-allowed",
                f"this takes {allow}",
                allow=allow,
            )
        return Match(route, names)

    def _matched(self, path: str) -> tuple[dict[str, Route], dict[str, str]]:
        for matcher, methods in self._open:
            found = matcher.fullmatch(path)
            if found is not None:
                return methods, found.groupdict()
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", "there is nothing here", hint="see /docs")


def pattern(path: str) -> re.Pattern[str]:
    """Make a matcher of a path with names in braces."""
    made, at = "", 0
    for hole in _HOLE.finditer(path):
        made += re.escape(path[at : hole.start()])
        made += f"(?P<{hole[1]}>{'.+' if hole[2] else '[^/]+'})"
        at = hole.end()
    return re.compile(made + re.escape(path[at:]))


def spelled(raw: bytes) -> str:
    """Read a path that has exactly one reading.

    Raises:
        ProblemError: it has empty or dotted parts, letters that need no escape but have one, or is no path.
    """
    bad = refuse(
        HTTPStatus.BAD_REQUEST,
        "bad-path",
        "cannot read the path of the request",
        connection="close",
    )
    if len(raw) > LONGEST or not _RAW.fullmatch(raw):
        raise bad
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise bad from None
    inside = path.split("/")[1:]
    dotted = any(part in {"", ".", ".."} for part in inside[:-1]) or inside[-1] in {".", ".."}
    if dotted or not path.isprintable() or "\\" in path or b"%2f" in raw.lower():
        raise bad
    return path
