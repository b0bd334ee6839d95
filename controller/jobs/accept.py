"""Accepting a run: all that can be wrong with it is found first, then it is recorded, then nothing can refuse it.

Called by `engine`; calls the secrets, the store and the activity log, and looks for the trees of checkouts.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from controller.errors import ControllerError
from controller.jobs.delivery import pack_files
from controller.jobs.environment import environment
from controller.jobs.held import refuse_while_held
from controller.jobs.ports import Equipment
from controller.jobs.sending import tree_of
from controller.model.job import Job, JobBody, Run
from controller.model.work import Work, secret_names

BREATH: Final = 100
"""After so many jobs others get their turn."""


async def accept(equipment: Equipment, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
    """Record a run and its jobs; nothing leaves the controller by this.

    Raises:
        SecretError: a secret of one of the jobs cannot be read.
        DeclarationError: a step would get an environment that no process can be given, or what it delivers cannot be.
        RefusedError: the state was restored from a backup, and is held.
        StateError: it cannot be recorded.
    """
    await refuse_while_held(equipment.store)
    await check(equipment, jobs)
    told = {"run": run.id, "jobs": len(jobs), "plan": run.plan_digest, "title": run.title}
    await equipment.activity.append("run-submitting", run.actor, **told)
    try:
        dropped = await equipment.store.runs.add(run, jobs)
    except ControllerError as error:
        await equipment.activity.conclude("run-refused", run.actor, **told, reason=error.message)
        raise
    await equipment.activity.conclude("run-submitted", run.actor, **told)
    if dropped:
        keep = await equipment.store.jobs.ids()
        await asyncio.to_thread(equipment.output.sweep, keep)
        await asyncio.to_thread(equipment.artifacts.sweep, keep)


async def check(equipment: Equipment, jobs: Sequence[tuple[Job, JobBody]]) -> None:
    """Read every secret and put everything together, as it will be done when a step begins."""
    packed: dict[int, Work] = {}
    read: dict[frozenset[str], dict[str, str]] = {}  # jobs of one target use the same
    for number, (job, body) in enumerate(jobs, start=1):
        if number % BREATH == 0:
            await asyncio.sleep(0)
        names = secret_names(body.work)
        if names not in read:
            read[names] = await read_secrets(equipment, body)
        values = read[names]
        named = {name: values[secret] for name, secret in body.work.secrets.items()}
        for step in body.work.steps:
            environment(job, body, step, named)
        if body.work.checkout is not None:
            await tree_of(equipment.archive, job, body)
        if id(body.work) not in packed:  # many servers share one work
            packed[id(body.work)] = body.work
            pack_files(body.work, values, user=None, at=job.created_at)


async def read_secrets(equipment: Equipment, body: JobBody) -> dict[str, str]:
    """Read the secrets of a job, those of its files included, by secret name; nobody else waits for a program or a Vault.

    Raises:
        SecretError: one of them cannot be read here.
    """
    names = sorted(secret_names(body.work))
    return await asyncio.to_thread(_read, equipment, names) if names else {}


def _read(equipment: Equipment, names: Sequence[str]) -> dict[str, str]:
    return {name: equipment.secrets(name) for name in names}
