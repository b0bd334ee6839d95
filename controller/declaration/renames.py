"""`was`: the earlier names of blocks. Asked by `wishes` for hints and by `servers`; `loader` lets it judge them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from controller.declaration.block import Block
from controller.declaration.ranges import RangeError, expand
from controller.declaration.report import Report

SHOWN: Final = 60


def former(block: Block) -> Iterator[tuple[str, str]]:
    """List (earlier name, name) of a block; ranges of servers name by name, as far as both reach."""
    was = block.own.get("was")
    if not isinstance(was, str):
        return
    if block.kind != "servers":
        yield was, block.name
        return
    try:
        yield from zip(expand(was), expand(block.name), strict=False)
    except RangeError:  # told by `check_renames`, or by `servers` for the block's own name
        return


def check_renames(
    findings: Report, blocks: Mapping[str, Mapping[str, Block]], known: Mapping[str, Iterable[str]]
) -> None:
    """Report earlier names that still exist, and those that two blocks claim.

    Args:
        findings: where to report.
        blocks: all blocks by kind and name.
        known: further names that exist, by kind, such as servers of other tools' inventories.
    """
    for kind, named in blocks.items():
        renamed = [block for block in named.values() if "was" in block.own]
        if not renamed:
            continue
        exists = {*named, *known.get(kind, ())}
        claimed: dict[str, Block] = {}
        for block in sorted(renamed, key=lambda block: block.place):
            if kind == "servers" and not _fits(findings, block):
                continue
            for was, _ in former(block):
                other = claimed.setdefault(was, block)
                if other is not block:
                    _claimed_twice(findings, was, other, block)
                elif was in exists:
                    _still_there(findings, was, named.get(was), block)


def _fits(findings: Report, block: Block) -> bool:
    """Check that a range of servers has a range as long as its earlier names."""
    was = str(block.own["was"])
    try:
        names = expand(block.name)
    except RangeError:  # told by `servers`
        return False
    try:
        earlier = expand(was)
    except RangeError as error:
        findings.error("bad-range", str(error), block.where("was", value=True))
        return False
    if len(names) != len(earlier):
        findings.error(
            "was-of-range",
            f"cannot take {was[:SHOWN]}, {len(earlier)} names, as the earlier names of {len(names)} servers",
            block.where("was", value=True),
            "give as many names as the range has, or declare the servers one by one",
        )
    return len(names) == len(earlier)


def _still_there(findings: Report, was: str, other: Block | None, block: Block) -> None:
    where = f" at {other.place}" if other is not None else ""
    why = "it is its own name" if other is block else f"{was} still exists{where}"
    findings.error(
        "was-still-there",
        f"cannot take {was} as the earlier name of `{block.kind}.{block.name}`: {why}",
        block.where("was", value=True),
        "remove `was`, or what still has or uses the earlier name",
    )


def _claimed_twice(findings: Report, was: str, one: Block, other: Block) -> None:
    findings.error(
        "was-twice",
        f"cannot take {was} as the earlier name of `{other.kind}.{other.name}`: "
        f"{one.name} has it too, at {one.where('was', value=True)}",
        other.where("was", value=True),
        "what is known under a name can go to one block only",
    )
