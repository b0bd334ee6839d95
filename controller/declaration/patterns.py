"""Patterns over servers as they are written: read, and every word of them known; called by `targets` and `access`."""

from typing import cast

from controller.declaration.block import Block
from controller.declaration.suggest import among
from controller.declaration.wishes import Wishes
from controller.model.inventory import Inventory
from controller.model.selector import SelectorError, match, parse, unknown


def read_pattern(wishes: Wishes, block: Block, inventory: Inventory) -> tuple[str, ...]:
    """Give the servers that the pattern under `servers` picks; what is wrong with it is reported at its place."""
    text = cast("str", block.data["servers"])
    place = block.where("servers", value=True)
    try:
        selector = parse(text)
    except SelectorError as error:
        wishes.findings.error(
            "bad-pattern", f"{error} (column {error.column} of the pattern)", place
        )
        return ()
    missing = unknown(selector, inventory) if wishes.all_servers_known else ()
    for term in missing:
        wishes.findings.error(
            "unknown-server",
            f"cannot find a server or group {term.word[:60]}",
            place,
            wishes.now_called("servers", term.word)
            or wishes.now_called("groups", term.word)
            or among(term.word, [*inventory.groups, *inventory.servers], what="server or group"),
        )
    members = match(selector, inventory)
    if not members and not missing and wishes.all_servers_known:
        wishes.findings.warn(
            "no-servers", f"the pattern {text[:60]} picks no server", place, "nothing will run"
        )
    return members
