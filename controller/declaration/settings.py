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
from controller.model.retention import Retention


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
        config_interval=_config_interval(wishes, block),
        config_verify=_config_verify(wishes, block),
        retention=_retention(wishes, block),
    )


def _config_interval(wishes: Wishes, block: Block) -> float:
    config = cast("dict[str, str]", block.data.get("config", {}))
    if "interval" not in config:
        return Settings().config_interval
    return wishes.duration(
        block, ("config", "interval"), config["interval"], least="10s", most="24h"
    )


def _config_verify(wishes: Wishes, block: Block) -> str | None:
    path = cast("dict[str, str]", block.data.get("config", {})).get("verify")
    if path is not None:
        wishes.file(path, block.where("config", "verify", value=True))
    return path


def _retention(wishes: Wishes, block: Block) -> Retention:
    data = cast("dict[str, object]", block.data.get("retention", {}))
    usual = Retention()

    def age(key: str, default: float, least: str = "1h") -> float:
        if key not in data:
            return default
        return wishes.duration(block, ("retention", key), data[key], least=least, most="3660d")

    return Retention(
        output=age("output", usual.output),
        jobs=age("jobs", usual.jobs),
        runs=int(cast("int", data.get("runs", usual.runs))),
        history=age("history", usual.history),
        letters=age("letters", usual.letters),
        dues=age("dues", usual.dues, least="7d"),
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
