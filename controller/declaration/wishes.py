"""All blocks of all files by kind and name, with what the rules need to judge them.

Made by `loader`; every rule takes one. The rules never raise for what is declared: they add to `findings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from controller.declaration.block import Block
from controller.declaration.forms import Form
from controller.declaration.marks import Key
from controller.declaration.quantities import seconds
from controller.declaration.renames import former
from controller.declaration.report import Report
from controller.declaration.schema import KINDS, load
from controller.declaration.suggest import among
from controller.model.diagnostic import Place
from controller.model.tree import Tree


@dataclass(slots=True, kw_only=True)
class Wishes:
    """What all files ask for, before it is resolved."""

    tree: Tree
    findings: Report
    blocks: dict[str, dict[str, Block]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    defaults: dict[str, Block] = field(default_factory=dict)
    settings: Block | None = None
    refused: dict[str, dict[str, Block]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    """Blocks that are not valid: their names count as known, so that one mistake is told once."""
    complete_view: bool = True
    """False when a file could not be read at all: then nothing can be said to be missing."""
    _renamed: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def all_servers_known(self) -> bool:
        """Whether a server or group that is not there really does not exist."""
        broken = ("servers", "groups", "inventories")
        return self.complete_view and not any(self.refused[kind] for kind in broken)

    def of(self, kind: str) -> Mapping[str, Block]:
        """Give the blocks of one kind by name."""
        return self.blocks[kind]

    def gather(self, form: Form) -> None:
        """Take in the blocks of a file; a name that is taken is an error at the later place."""
        self.complete_view &= form.readable
        for block in form.refused:
            if block.kind in self.refused:
                self.refused[block.kind][block.name] = block
        for block in form.blocks:
            kept = self.blocks[block.kind].setdefault(block.name, block)
            if kept is not block:
                self.twice(block.kind, block.name, kept.place, block.place)

    def twice(self, kind: str, name: str, one: Place, other: Place) -> None:
        """Report a name that is declared twice, at the later place."""
        first, second = sorted((one, other))
        self.findings.error(
            "duplicate-name",
            f"cannot declare `{kind}.{name}` twice: the first is at {first}",
            second,
            "rename one of them, or remove it",
        )

    def complete(self, block: Block) -> bool:
        """Fill in the defaults of the kind; false, with findings, when a required key is still missing."""
        defaults = self.defaults.get(block.kind)
        if defaults is not None:
            block.fill(defaults)
        missing = [
            key
            for key in cast("list[str]", load(KINDS[block.kind]).get("required", []))
            if key not in block.data
        ]
        for key in missing:
            self.findings.error(
                "missing-key",
                f"cannot do without the key {key} in `{block.kind}.{block.name}`",
                block.place,
            )
        return not missing

    def refer(self, kind: str, name: str, place: Place) -> bool:
        """Check that a name of another kind exists."""
        if name in self.blocks[kind]:
            return True
        if name in self.refused[kind] or not self.complete_view:
            return False
        self.findings.error(
            f"unknown-{KINDS[kind]}",
            f"cannot find the {KINDS[kind]} {name}",
            place,
            self.now_called(kind, name) or among(name, self.blocks[kind], what=KINDS[kind]),
        )
        return False

    def now_called(self, kind: str, name: str) -> str | None:
        """Give the hint that a block has another name now, None where no block says so."""
        if kind not in self._renamed:
            blocks = self.blocks[kind].values()
            self._renamed[kind] = {was: new for block in blocks for was, new in former(block)}
        new = self._renamed[kind].get(name)
        return f"it is now called {new}" if new else None

    def duration(
        self, block: Block, path: tuple[Key, ...], text: object, *, least: str = "0", most: str
    ) -> float:
        """Give a duration in seconds; outside of `least` and `most` it is an error."""
        length = seconds(str(text))
        if not seconds(least) <= length <= seconds(most):
            self.findings.error(
                "wrong-value",
                f"cannot use {text} as `{'.'.join(map(str, path))}`: expected {least} to {most}",
                block.where(*path, value=True),
            )
        return length

    def file(self, path: str, place: Place) -> bool:
        """Check that a path names a file of the config repository."""
        if path in self.tree.entries:
            return True
        folder = path.rpartition("/")[0]
        near = [entry for entry in self.tree.entries if entry.startswith(folder)][:1_000]
        self.findings.error(
            "missing-file",
            f"cannot find the file {path} in the config repository",
            place,
            among(path, near, what="file", most=5) if near else "paths count from the root",
        )
        return False
