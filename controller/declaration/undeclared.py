"""A task that no declaration holds: written for one run, and judged by the rules of declared tasks.

Called by `api` and `reconcile` for `POST /api/v1/jobs`. Every finding has its place: a path into the JSON that was sent.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from controller.declaration.block import Block
from controller.declaration.explaining import explain
from controller.declaration.marks import Marks, position
from controller.declaration.offered import check_offered
from controller.declaration.report import Report
from controller.declaration.schema import checker
from controller.declaration.tasks import build_tasks, read_scripts
from controller.declaration.wishes import Wishes
from controller.declaration.written import WrittenTask
from controller.model.declaration import Declaration, Target
from controller.model.diagnostic import Diagnostic
from controller.model.tree import Tree

MOST_VALUES: Final = 10_000
"""Values of a task that is sent as JSON: each is kept with its place."""
ONLY_DECLARED: Final[Mapping[str, str]] = {
    "secrets": "only declared tasks are given secrets: a commit says who hands out which",
    "files": "only declared tasks deliver files; write them in a step",
    "checkout": "only declared tasks deliver a repo",
    "check": "this work is run once, and never compared",
    "revert": "this work is run once, and never undone",
    "was": "this work has no name that could change",
}
"""Keys of a task that make no sense, or no safe one, where nobody reviewed it; and why."""


def of_json(name: str, data: Mapping[str, object]) -> tuple[WrittenTask | None, str]:
    """Take a task from JSON; None, and why, where it holds too much, or numbers that no file could hold.

    Args:
        name: how the place of the task is called, such as "body/task".
        data: the task.
    """
    places = _Places()
    try:
        marks = places.mark(data, name)
    except ValueError as error:
        return None, str(error)
    return WrittenTask(data=data, marks=marks, file=name, pointers=tuple(places.paths)), ""


class _Places:
    """Gives each value of JSON a place of its own: a line for each, and what stands there."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def mark(self, value: object, path: str) -> Marks:
        at = self._next(path)
        match value:
            case dict():
                marks: list[Marks] = [at]
                for key, item in value.items():
                    below = f"{path}/{key}"
                    marks += [self._next(below), self.mark(item, below)]
                return marks
            case list():
                return [at, *(self.mark(item, f"{path}/{i}") for i, item in enumerate(value))]
            case float() if not math.isfinite(value):
                raise ValueError(f"{path}: this number is too large")
        return at

    def _next(self, path: str) -> int:
        if len(self.paths) >= MOST_VALUES:
            raise ValueError(f"a task holds at most {MOST_VALUES} keys and values")
        self.paths.append(path)
        return position(len(self.paths) - 1, 0)


def with_task(
    declaration: Declaration, tree: Tree, written: WrittenTask, *, target: Target
) -> tuple[Declaration, tuple[Diagnostic, ...]]:
    """Add a task to what is declared, for a moment, under the name that a target calls it by.

    Args:
        declaration: what is in force.
        tree: its files; scripts and plugins come from there.
        written: the task.
        target: the one that is to run it, with its servers.

    Returns:
        what is declared with it, and what was found; it is only to be used where nothing of that is an error.
    """
    findings = Report()
    wishes = Wishes(tree=tree, findings=findings)
    block = Block(
        kind="tasks",
        name=target.task,
        file=written.file,
        at=written.at_top,
        data=dict(written.data),
        marks=written.marks,
    )
    if not _fits(block, findings):
        return declaration, findings.sorted()
    wishes.blocks["tasks"][block.name] = block
    scripts = {**declaration.scripts, **read_scripts(wishes)}
    tasks = build_tasks(wishes, scripts, {}, declaration.settings.limits)
    check_offered(wishes, {target.name: target}, tasks, declaration.inventory)
    whole = replace(
        declaration,
        tasks={**declaration.tasks, **tasks},
        targets={target.name: target},
        scripts=scripts,
    )
    return whole, findings.sorted()


def _fits(block: Block, findings: Report) -> bool:
    """Find fault with a block as its schema does, and with keys that only declared tasks have."""
    if not checker("task").is_valid({block.name: block.data}):
        findings.extend(explain("task", block.data, block.locate))
    for key, why in ONLY_DECLARED.items():
        if key in block.data:
            findings.error(
                "only-declared",
                f"cannot use `{key}` in a task that is not declared",
                block.where(key),
                why,
            )
    return findings.valid
