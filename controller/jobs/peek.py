"""A look at what a job says on its server, for whoever follows it while nobody seems to copy its output.

Called by `engine`; calls the session and the output files. Nothing is written into the ledger. Whoever drives the job may copy the
same bytes at the same time: those that are stored already are passed over.
"""

from controller.jobs.accept import read_secrets
from controller.jobs.crew import Crew
from controller.jobs.known import recall
from controller.jobs.output import OutputCopy
from controller.jobs.recovery import unsettled
from controller.model.ids import JobId


async def peek(crew: Crew, id_: JobId) -> None:
    """Store what lies on the server of a job now and was not stored yet.

    Raises:
        TransportError: the server is not reached.
        SecretError: a secret that has to be masked cannot be read here.
    """
    equipment = crew.equipment
    job = await equipment.store.jobs.get(id_)
    open_ = set() if job is None else {attempt.id for attempt in unsettled(job)}
    if job is None or not open_:
        return
    body = await equipment.store.jobs.body(id_)
    values = await read_secrets(equipment, body)
    async with crew.links.to(body.server) as link:
        session = await link.session()
        assignment = crew.assignment(
            await crew.recorder(job),
            link,
            body,
            await recall(equipment.store, [(job, body)]),
            values=values,
        )
        for step in job.steps:
            for attempt in step.attempts:
                if attempt.id in open_:
                    copy = OutputCopy(assignment, attempt.id, step.name)
                    await copy.run(session, follow=False)
