"""The way to `explain`, which is loaded when the first data is refused.

It stands on `jsonschema`, whose import takes longer than loading a hundred valid files. Called by `forms` and `settings`.
"""

from collections.abc import Iterator

from controller.declaration.marks import Locate
from controller.model.diagnostic import Diagnostic


def explain(name: str, data: object, locate: Locate) -> Iterator[Diagnostic]:
    """Explain why a block of the kind `name` is not accepted; nothing when it is."""
    from controller.declaration import explain as explainer

    return explainer.explain(name, data, locate)
