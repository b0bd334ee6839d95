"""`settings` of ctl.yaml and the defaults they hold for each kind; called by `loader`."""

from typing import cast

from controller.declaration.block import Block
from controller.declaration.explaining import explain
from controller.declaration.limits import build_limits
from controller.declaration.marks import Marks
from controller.declaration.quantities import amount
from controller.declaration.schema import KINDS, checker
from controller.declaration.wishes import Wishes
from controller.model.declaration import Budget, Settings


def build_settings(wishes: Wishes) -> Settings:
    """Build the settings and hand the defaults to the rules."""
    block = wishes.settings
    if block is None:
        return Settings()
    for kind, data in cast("dict[str, dict[str, object]]", block.data.get("defaults", {})).items():
        _take_defaults(wishes, block, kind, data)
    known_hosts = cast("str", block.data.get("known_hosts", Settings().known_hosts))
    return Settings(
        name=cast("str", block.data.get("name", Settings().name)),
        known_hosts=known_hosts,
        budget=_budget(cast("dict[str, object]", block.data.get("budget", {}))),
        approvers=tuple(cast("list[str]", block.data.get("approvers", []))),
        limits=build_limits(wishes, block),
    )


def _budget(data: dict[str, object]) -> Budget:
    return Budget(
        servers=amount(data["servers"]) if "servers" in data else None,
        removals=amount(data["removals"]) if "removals" in data else Budget().removals,
    )


def _take_defaults(wishes: Wishes, block: Block, kind: str, data: dict[str, object]) -> None:
    marks: Marks = block.unpacked()
    for path in ("defaults", kind):
        written = (
            block.own if path == "defaults" else cast("dict[str, object]", block.own["defaults"])
        )
        marks = cast("list[Marks]", marks)[2 + 2 * list(written).index(path)]
    inner = Block(
        kind=kind,
        name="defaults",
        file=block.file,
        at=cast("list[int]", block.unpacked())[0],
        data=data,
        marks=marks,
    )
    if not checker(KINDS[kind]).is_valid({"": data}):
        findings = list(explain(KINDS[kind], data, inner.locate))
        wishes.findings.extend(findings)
        if findings:
            return
    wishes.defaults[kind] = inner
