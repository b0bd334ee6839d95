"""Where the inputs that differ can come from: lines of the declaration, the likeliest first.

Called by `verdict`, which takes the first, and by `attribution`, which asks git for the one that was written last.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from controller.model.diagnostic import Place, Span
from controller.model.inventory import Server
from controller.model.work import Input, Work

MOST: Final = 200
"""So many lines or blocks are enough to choose from."""


def origins(work: Work, names: Iterable[str], server: Server | None) -> tuple[Span, ...]:
    """List the lines that can have given inputs their value.

    An input whose template uses a parameter that differs too is explained by it. Plain values come before rendered
    ones, and of those first what a template uses of the server, then its own key, then the lines of its text.
    """
    changed = {name: work.inputs[name] for name in names if name in work.inputs}
    found = [one for one in changed.values() if not _explained(one, changed)]
    found.sort(key=lambda one: bool(one.uses))
    spans: dict[Span, None] = {}
    for one in found:
        spans.update(dict.fromkeys(_origins(one, server)))
        if len(spans) > MOST:
            break
    return tuple(spans)[:MOST]


def gone_name(name: str, work: Work) -> str:
    """Say which key an input stood under that is no longer there; empty where its name tells nothing by itself."""
    head, _, rest = name.partition(".")
    if head == "files":
        return rest.rpartition(".")[0]
    if head == "checkout":
        return head
    if head != "steps":
        return rest
    step, _, variable = rest.partition(".env.")
    if not variable:
        step = rest.rpartition(".")[0]
    return variable if step in {one.name for one in work.steps} else step


def _explained(one: Input, changed: Collection[str]) -> bool:
    params = [used for used in one.uses if used.partition(".")[0] == "params"]
    if "params" in params:
        return any(name.startswith("params.") for name in changed)
    return any(used in changed for used in params)


def _origins(one: Input, server: Server | None) -> Iterator[Span]:
    for used in one.uses:
        yield from _of_server(used, server)
    if one.place is not None:
        yield _line(one.place)
    if one.text is not None:
        yield one.text


def _of_server(used: str, server: Server | None) -> Iterator[Span]:
    kind, _, name = used.partition(".")
    if server is None or kind == "params":
        return
    if kind == "server":
        yield _line(server.place)
    elif not name:
        yield from map(_line, server.origins.values())
    elif name in server.origins:
        yield _line(server.origins[name])


def _line(place: Place) -> Span:
    return Span(file=place.file, first=place.line, last=place.line)
