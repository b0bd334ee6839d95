"""Where the value of an input can come from beside the key that it stands under: lines of text, variables, parameters.

Made once a target by `pairs`; the same for every server, so that what is shared stays shared. Which file gave a server
its variable is looked up by whoever asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controller.declaration.blueprint import Blueprint, FilePlan
from controller.declaration.plugins import OURS
from controller.declaration.templates import Path, Studies
from controller.model.diagnostic import Place, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The lines that hold a value, where it has several, and what its templates use."""

    text: Span | None = None
    uses: tuple[str, ...] = ()


UNTRACED: Final = Trace()


def trace(plan: Blueprint, studies: Studies, scripts: Mapping[str, bytes]) -> dict[str, Trace]:
    """Trace the inputs of a target by name; one that comes from its key alone is left out."""
    texts = {name: _lines(site.text, site.place) for name, site in plan.texts.items()}
    for name, value in plan.params.items():
        texts[f"params.{name}"] = _lines(value, plan.place_of(name))
    for step in plan.task.steps:
        for key, whole in (("script", step.script), ("uses", step.plugin)):
            if whole is not None and not whole.startswith(OURS):
                last = scripts[whole].count(b"\n") + 1
                texts[f"steps.{step.name}.{key}"] = Span(file=whole, first=1, last=last)
    for file in plan.files:
        texts[f"{file.name}.content"] = _file_lines(file)
    uses: dict[str, set[str]] = {}
    for site in (*plan.param_sites(), *plan.counted()):
        uses.setdefault(site.name, set()).update(_used(studies.paths(site)))
    traces = {
        name: Trace(text=texts.get(name), uses=tuple(sorted(uses.get(name, ()))))
        for name in texts.keys() | uses.keys()
    }
    return {name: found for name, found in traces.items() if found != UNTRACED}


def _file_lines(file: FilePlan) -> Span | None:
    """Say which lines hold what a file delivers: all of its template or source, or those under `content`."""
    spec = file.spec
    named = spec.template or spec.source
    if named is None:
        return _lines(spec.content, file.origin)
    breaks = file.blob.count(b"\n") if file.text is None else file.text.text.count("\n")
    return Span(file=named, first=1, last=breaks + 1)


def _used(paths: Iterable[Path]) -> set[str]:
    """Name what can differ; what is nested in a variable was written where the variable was."""
    return {".".join(path[:2]) for path in paths if path[0] in {"vars", "server", "params"}}


def _lines(value: object, key: Place) -> Span | None:
    """Say which lines hold a text of several: a block begins under its key."""
    if not isinstance(value, str) or "\n" not in value:
        return None
    count = value.rstrip("\n").count("\n") + 1
    return Span(file=key.file, first=key.line + 1, last=key.line + count)
