"""What `ctl explain` shows of a kind or a key."""

import json
from collections.abc import Iterator

from controller.cli.views.style import Ink, Style
from controller.declaration.schema import KeyDescription


def explanation_text(described: KeyDescription, style: Style) -> str:
    """Show a description; it comes from our own schemas, not from outside."""
    return "\n".join(_lines(described, style))


def _lines(described: KeyDescription, style: Style) -> Iterator[str]:
    yield f"{style.paint(described.name, Ink.STRONG)}: {described.title}"
    if described.description and described.description != described.title:
        yield f"  {described.description}"
    if not described.supported:
        yield style.paint("  Not supported yet: a declaration that has it is refused.", Ink.BLOCKED)
    facts = (
        ("type", described.type),
        ("default", "" if described.default is None else _value(described.default)),
        ("one of", ", ".join(map(_value, described.allowed))),
        ("required keys", ", ".join(described.required)),
    )
    for name, value in facts:
        if value:
            yield f"  {name}: {value}"
    for example in described.examples:
        yield f"  example: {_value(example)}"
    if described.keys:
        yield "  keys:"
        width = max(map(len, described.keys))
        for key, title in described.keys.items():
            yield f"    {key:<{width}}  {title}"


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
