"""Tasks with their parameters, steps and deliveries; called by `loader`."""

from collections.abc import Mapping
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.deliveries import build_checkout, build_files
from controller.declaration.limits import build_limits
from controller.declaration.params import declared
from controller.declaration.plugins import plugin_of, read_ours
from controller.declaration.quantities import seconds
from controller.declaration.steps import Steps, build_result, environment, reserved
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Place
from controller.model.task import Limits, Result, Task

LARGEST_SCRIPT: Final = 1 << 20
NAMED: Final = ("params", "env", "secrets", "revert", "checkout")


def read_scripts(wishes: Wishes) -> dict[str, bytes]:
    """Read every script and plugin that a task names and that exists, once."""
    wanted: set[str] = set()
    ours: set[str] = set()
    for block in wishes.of("tasks").values():
        steps = cast("dict[str, dict[str, object]]", block.data.get("steps", {}))
        for path, body in (((), block.data), *((("steps", name), steps[name]) for name in steps)):
            key = "script" if "script" in body else "uses"
            named = cast("str", body.get(key, ""))
            file = named if key == "script" else plugin_of(wishes.tree, named) or ""
            ours.add(file)
            entry = wishes.tree.entries.get(file)
            if entry is None:
                continue
            if entry.size > LARGEST_SCRIPT:
                wishes.findings.error(
                    "file-too-large",
                    f"cannot deliver {entry.path}: {entry.size} bytes, at most {LARGEST_SCRIPT}",
                    block.where(*path, key, value=True),
                )
            else:
                wanted.add(entry.path)
    return {**wishes.tree.read(sorted(wanted)), **read_ours(ours)}


def build_tasks(
    wishes: Wishes, scripts: Mapping[str, bytes], blobs: Mapping[str, bytes], limits: Limits
) -> dict[str, Task]:
    """Build every task in order of name.

    Args:
        wishes: what all files ask for.
        scripts: the bytes of every script and plugin that a task names.
        blobs: the bytes of every template and source that a task names.
        limits: those that hold where a task names none.
    """
    blocks = wishes.of("tasks")
    return {name: _task(wishes, blocks[name], scripts, blobs, limits) for name in sorted(blocks)}


def _task(
    wishes: Wishes,
    block: Block,
    scripts: Mapping[str, bytes],
    blobs: Mapping[str, bytes],
    limits: Limits,
) -> Task:
    wishes.complete(block)
    data = block.data
    builder = Steps(wishes, block, scripts)
    steps = builder.build()
    secrets = cast("dict[str, str]", data.get("secrets", {}))
    env = environment(wishes, block, ("env",), data.get("env"))
    for name, secret in secrets.items():
        wishes.refer("secrets", secret, block.where("secrets", name, value=True))
        reserved(wishes, block, ("secrets", name), name)
        if name in env:
            wishes.findings.error(
                "set-twice",
                f"cannot set {name} both by env and by secrets",
                block.where("secrets", name),
            )
    result = build_result(wishes, block, ("result",), data.get("result"))
    return Task(
        name=block.name,
        title=cast("str | None", data.get("title", builder.headers.get("title"))),
        params=declared(wishes, block),
        env=env,
        secrets=secrets,
        user=cast("str | None", data.get("user")),
        workdir=cast("str | None", data.get("workdir")),
        timeout=seconds(cast("str", data.get("timeout", "24h"))),
        limits=build_limits(wishes, block, under=limits),
        check=cast("str | None", data.get("check")),
        checkout=build_checkout(wishes, block),
        files=build_files(wishes, block, blobs),
        steps=steps,
        revert=cast("dict[str, str]", data.get("revert", {})).get("run"),
        result=result or (steps[-1].result if steps else None) or Result(),
        was=cast("str | None", data.get("was")),
        places=_places(block),
    )


def _places(block: Block) -> dict[str, Place]:
    places = {"": block.place}
    for key, value in block.data.items():
        places[key] = block.where(key)
        if key in NAMED and isinstance(value, dict):
            # What a target does not give comes from the default, where there is one.
            ends = ("default",) if key == "params" else ()
            places |= {f"{key}.{name}": block.where(key, name, *ends) for name in value}
    return places
