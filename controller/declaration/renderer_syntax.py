"""What a template's syntax tree says before it runs: the values it can reach, and where it wants secrets.

Called by `renderer_child`, in the process that touches Jinja.
"""

from collections.abc import Iterator
from typing import Final

from jinja2 import nodes

SECRET_FUNCTION: Final = "secret"  # noqa: S105 - a name, not a value
"""The function that stands for the value of a secret, in the texts of files alone."""
CAPTURING: Final = (nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.Block)
"""What keeps the text rendered inside of it as a value, with which a template could do anything."""


def secret_calls(tree: nodes.Node) -> Iterator[tuple[int, str | None, bool]]:
    """Find every use of secret(): its line, the name if it is written there, and whether it stands alone.

    Alone, it is all that stands between two braces, and what it gives goes straight to the text: nothing can be made
    of a value that is not known yet, such as quoting it, measuring it or comparing it.
    """
    waiting: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while waiting:
        node, captured = waiting.pop()
        captured |= isinstance(node, CAPTURING) or (isinstance(node, nodes.For) and node.recursive)
        if isinstance(node, nodes.Name) and node.name == SECRET_FUNCTION:
            yield node.lineno, None, False
        elif isinstance(node, nodes.Output):
            for inner in node.nodes:
                if isinstance(inner, nodes.Call) and _is_secret(inner.node):
                    yield inner.lineno, _written_name(inner), not captured and _takes_one(inner)
                    waiting += [(one, captured) for one in _arguments(inner)]
                else:
                    waiting.append((inner, captured))
        else:
            waiting += [(inner, captured) for inner in node.iter_child_nodes()]


def _is_secret(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == SECRET_FUNCTION


def _arguments(call: nodes.Call) -> list[nodes.Node]:
    return [inner for inner in call.iter_child_nodes() if inner is not call.node]


def _takes_one(call: nodes.Call) -> bool:
    return len(call.args) == 1 and not (call.kwargs or call.dyn_args or call.dyn_kwargs)


def _written_name(call: nodes.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, nodes.Const) and isinstance(first.value, str) else None


def value_paths(tree: nodes.Node) -> Iterator[tuple[tuple[str, ...], int]]:
    """Walk a syntax tree for chains such as vars.app.port; a step that is not constant ends the chain."""
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        chain: list[str] = []
        inner: nodes.Node = node
        while isinstance(inner, (nodes.Getattr, nodes.Getitem)):
            if isinstance(inner, nodes.Getattr):
                chain.append(inner.attr)
            elif isinstance(inner.arg, nodes.Const) and isinstance(inner.arg.value, str):
                chain.append(inner.arg.value)
            else:
                chain.clear()
                waiting.append(inner.arg)
            inner = inner.node
        if isinstance(inner, nodes.Name):
            yield (inner.name, *reversed(chain)), inner.lineno
        else:
            waiting.extend(inner.iter_child_nodes())
