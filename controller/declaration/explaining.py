"""The way to `explain`, which is loaded when the first data is refused.

It stands on `jsonschema`, whose import takes longer than loading a hundred valid files. Called by `forms` and `settings`.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from controller.declaration.marks import Key
from controller.model.diagnostic import Diagnostic, Place

Locate = Callable[[tuple[Key, ...], bool], Place]
"""Gives the place of the key at a path, or of its value when the second argument is true."""


class _Explainer(Protocol):
    def explain(self, name: str, data: object, locate: Locate) -> Iterator[Diagnostic]: ...


def explain(name: str, data: object, locate: Locate) -> Iterator[Diagnostic]:
    """Explain why a block of the kind `name` is not accepted; nothing when it is."""
    explainer = cast("_Explainer", importlib.import_module("controller.declaration.explain"))
    return explainer.explain(name, data, locate)
