"""Pairs: every (target, server) of a declaration with its rendered work and input digest.

Called by `reconcile`. Calls `templates` to see what each text uses, `renderer` to render it and `inputs` to hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.declaration.inputs import Sourced
from controller.declaration.renderer import Renderer
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.scope import Scope
from controller.model.work import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What `resolve` found; a pair whose templates cannot be rendered is missing and has a diagnostic."""

    pairs: tuple[Pair, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def resolve(
    declaration: Declaration,
    sources: Mapping[str, Sourced],
    renderer: Renderer,
    *,
    scope: Scope | None = None,
    checks: bool = False,
) -> Resolved:
    """Render the work of every pair in scope and hash its inputs.

    Args:
        declaration: what one revision asks for.
        sources: the commit of each target that has a repo, by target name; a target whose repo has no commit yet is
            left out, and so are its pairs.
        renderer: an open renderer.
        scope: which pairs; None is all.
        checks: render `check:` too, only to find its errors.
    """
    raise NotImplementedError


def placeholders(declaration: Declaration) -> dict[str, Sourced]:
    """Give every target with a repo a commit that does not exist, for `validate`."""
    raise NotImplementedError
