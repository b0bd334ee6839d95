"""Findings about rendered texts, told once however many servers they are true of.

Filled by `pairs` and `checks`.
"""

from collections.abc import Mapping

from controller.declaration.renderer import Failure
from controller.declaration.suggest import did_you_mean
from controller.declaration.templates import Path, Site, diagnose
from controller.declaration.values import find
from controller.model.diagnostic import Diagnostic


class Findings:
    """Collects diagnostics; equal failures of one text become one that counts its servers."""

    def __init__(self) -> None:
        self._plain: dict[Diagnostic, None] = {}
        self._failed: dict[tuple[Site, Failure], tuple[str, int, str | None]] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a finding; the same one again changes nothing."""
        self._plain[diagnostic] = None

    def failed(
        self,
        site: Site,
        failure: Failure,
        *,
        server: str,
        count: int,
        values: Mapping[str, object],
        paths: Mapping[Path, int],
    ) -> None:
        """Keep a failure of a text on `server` and the `count` - 1 others that share its values."""
        known = self._failed.get((site, failure))
        first, before, hint = known or (server, 0, _hint(failure, values, paths))
        self._failed[site, failure] = (first, before + count, hint)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Give all findings in order of place."""
        told = [self._tell(site, failure) for site, failure in self._failed]
        return tuple(sorted({*self._plain, *told}, key=lambda d: (d.place, d.code, d.message)))

    def _tell(self, site: Site, failure: Failure) -> Diagnostic:
        server, count, hint = self._failed[site, failure]
        where = f"on {server}" + (f" and {count - 1} more" if count > 1 else "")
        what = (
            f"{failure.name} is not defined"
            if failure.name is not None
            else failure.message.rstrip(".")
        )
        return diagnose(site, failure, message=f"{what} {where}", hint=hint)


def _hint(failure: Failure, values: Mapping[str, object], paths: Mapping[Path, int]) -> str | None:
    """Look for the mapping that lacks the name, and there for a name that is near."""
    for path in paths:
        for depth, name in enumerate(path):
            holder = find(values, path[:depth])
            if name == failure.name and isinstance(holder, Mapping) and name not in holder:
                return did_you_mean(name, map(str, holder)) or f"add {'.'.join(path[: depth + 1])}"
    return None
