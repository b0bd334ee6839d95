"""What `check:` of a pair would run, rendered with the commit that was applied there.

Called by `reconcile` for the pairs whose desired digest is the applied one; `transport` probes with the result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.declaration.renderer import Renderer
from controller.model.applied import Applied
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.work import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWork:
    """One check, ready to be probed; `applied` is the run it speaks of (for CTL_COMMIT and the like)."""

    pair: Pair
    applied: Applied
    text: str
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What `render` found."""

    checks: tuple[CheckWork, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def render(
    declaration: Declaration, wanted: Iterable[tuple[Pair, Applied]], renderer: Renderer
) -> Rendered:
    """Render the checks of pairs in sync; pairs whose task has no `check:` are left out."""
    raise NotImplementedError
