"""The steps that nobody declares: deliveries before the declared steps, health behind them, a guard beside them.

Called by `works`. Their names begin with `_`, as no declared name does. They are no inputs of the digest: what they
deliver is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from controller.model.rollout import Rollout
from controller.model.task import Retry, Task
from controller.model.work import STEP_NAMES, StepKind, StepWork

HEALTH_RETRY: Final = Retry(limit=5, delay=2.0)
HEALTH_SECONDS: Final = 30.0
"""How long one try may take."""


def with_implicit(
    declared: Sequence[StepWork], task: Task, rollout: Rollout | None, commands: Mapping[str, str]
) -> tuple[StepWork, ...]:
    """Put the steps of the controller around the declared ones.

    A declared step that waits for nothing waits for what is delivered. Health waits for all declared steps. The guard
    waits for nothing: it begins first and runs beside the others.

    Args:
        declared: the steps of the task, rendered.
        task: says what is delivered.
        rollout: says whether there is a guard, and for how long.
        commands: the rendered texts of `health` and `revert`, as far as there are any.
    """
    steps: list[StepWork] = []
    if rollout is not None and rollout.confirm is not None and "revert" in commands:
        steps.append(_step(StepKind.CONFIRM, text=commands["revert"], timeout=rollout.confirm))
    delivered: tuple[str, ...] = ()
    for kind, wanted in ((StepKind.CHECKOUT, task.checkout), (StepKind.FILES, task.files)):
        if wanted:
            steps.append(_step(kind, needs=delivered, idempotent=True))
            delivered = (STEP_NAMES[kind],)
    if delivered:
        declared = [one if one.needs else replace(one, needs=delivered) for one in declared]
    steps += declared
    if "health" in commands:
        steps.append(
            _step(
                StepKind.HEALTH,
                text=commands["health"],
                needs=tuple(one.name for one in declared) or delivered,
                timeout=HEALTH_SECONDS,
                retry=HEALTH_RETRY,
                idempotent=True,
            )
        )
    return tuple(steps)


def _step(
    kind: StepKind,
    *,
    text: str = "",
    needs: tuple[str, ...] = (),
    timeout: float | None = None,
    retry: Retry | None = None,
    idempotent: bool = False,
) -> StepWork:
    return StepWork(
        name=STEP_NAMES[kind],
        kind=kind,
        text=text,
        needs=needs,
        timeout=timeout,
        retry=retry or Retry(),
        idempotent=idempotent,
    )
