"""The undo of a target, `on_remove: {run: TASK}`, as a blueprint of its own; called by `pairs` and `loader`.

An undo is kept in the record and in the marker on each server, rendered, so that it can still be done when its target,
the server's declaration and the repo are gone. So it is small and delivers no tree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from controller.declaration.blueprint import Blueprint, blueprint
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE, Diagnostic, Place
from controller.model.task import Task
from controller.model.work import Work

UNDO_LIMIT: Final = 16 << 10
"""Bytes of the texts and files of a rendered undo: a quarter of a marker."""


def undo_blueprint(target: Target, task: Task, blobs: Mapping[str, bytes]) -> Blueprint:
    """Lay out the undo of a target: it has the defaults of its own parameters, and no rollout."""
    params = {name: one.default for name, one in task.params.items() if not one.required}
    places = {key: at for key, at in target.places.items() if not key.startswith("params.")}
    own = replace(target, task=task.name, params=params, places=places, rollout=None, undo=None)
    return blueprint(own, task, blobs)


def undo_problems(target: Target, task: Task) -> Iterator[Diagnostic]:
    """Say why a task cannot undo a target, whatever the server."""
    place = _place(target)
    for name, param in task.params.items():
        if param.required:
            yield Diagnostic(
                code="missing-param",
                message=f"cannot undo with the task {task.name}: nothing gives its parameter {name}",
                place=place,
                hint=f"give it a default at {param.place}",
            )
    if task.checkout is not None:
        yield Diagnostic(
            code="undo-checkout",
            message=f"cannot undo with the task {task.name}: it has a checkout",
            place=place,
            hint="the repo may be gone when it runs; use steps alone",
        )


def undo_size_problem(target: Target, work: Work) -> Diagnostic | None:
    """Say that a rendered undo is too large to be kept; None when it is not."""
    texts = [*work.env.values()]
    for step in work.steps:
        texts += [step.text, *step.env.values()]
    size = sum(len(text.encode()) for text in texts)
    size += sum(len(file.content) for file in work.files)
    if size <= UNDO_LIMIT:
        return None
    return Diagnostic(
        code="undo-too-large",
        message=f"cannot keep the undo task {work.task}: {size} bytes, at most {UNDO_LIMIT}",
        place=_place(target),
        hint="it is kept on each server until it runs; make its texts and files smaller",
    )


def _place(target: Target) -> Place:
    return target.places.get("on_remove") or target.places.get("", NOWHERE)
