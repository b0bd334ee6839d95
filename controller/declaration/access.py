"""Who may do what: rules whose patterns can be read and mean something here; called by `loader`.

The names of the rules are words of tokens and certificates, which no declaration knows.
"""

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import cast

from controller.declaration.block import Block
from controller.declaration.patterns import read_pattern
from controller.declaration.wishes import Wishes
from controller.model.access import Access, Right, Rule
from controller.model.inventory import Inventory
from controller.model.token import Role


def build_access(wishes: Wishes, inventory: Inventory, targets: Collection[str]) -> Access:
    """Build every rule in order of name."""
    blocks = wishes.of("access")
    return Access(
        rules={name: _rule(wishes, blocks[name], inventory, targets) for name in sorted(blocks)}
    )


def _rule(wishes: Wishes, block: Block, inventory: Inventory, targets: Collection[str]) -> Rule:
    data = block.data
    if "servers" in data:
        read_pattern(wishes, block, inventory)
    glob = cast("str | None", data.get("targets"))
    known = wishes.complete_view and not wishes.refused["targets"]
    if glob is not None and known and not any(fnmatchcase(name, glob) for name in targets):
        wishes.findings.warn(
            "no-targets",
            f"the glob {glob[:60]} picks no target",
            block.where("targets", value=True),
            f"{block.name} may do nothing",
        )
    return Rule(
        name=block.name,
        role=Role(cast("str", data["role"])),
        targets=glob,
        servers=cast("str | None", data.get("servers")),
        rights=frozenset(map(Right, cast("list[str]", data.get("rights", [])))),
        place=block.place,
    )
