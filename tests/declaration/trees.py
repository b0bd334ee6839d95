"""Loading texts in tests: a cache of forms in memory, and short ways to ask."""

from collections.abc import Mapping, Sequence

from controller.declaration.loader import Loaded, load
from controller.model.declaration import Declaration
from tests.fakes.trees import MemoryTree


class FormsInMemory:
    """A cache of forms that forgets nothing."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def put_many(self, forms: Mapping[str, bytes]) -> None:
        self.kept.update(forms)


def loaded(files: Mapping[str, str | bytes] | str) -> Loaded:
    """Load files, or one text as `inventory/all.yaml`."""
    named = {"inventory/all.yaml": files} if isinstance(files, str) else files
    return load(MemoryTree(named))


def declared(files: Mapping[str, str | bytes] | str) -> Declaration:
    """Load what must be valid."""
    result = loaded(files)
    assert result.declaration is not None, findings(result)
    return result.declaration


def findings(result: Loaded) -> list[str]:
    """Give the findings as `file:line:column code`, in order."""
    return [f"{item.place} {item.code}" for item in result.diagnostics]
