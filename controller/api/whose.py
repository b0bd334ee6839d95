"""Work in somebody's own name: as which Linux user undeclared work of people runs, and what of theirs may run again.

Called by the handlers of work and of jobs. A person with a certificate works as the Linux user of the name in it, as on an agent that they
speak to without a controller.
"""

from http import HTTPStatus
from typing import Final

from controller.api.call import Call
from controller.api.problems import refuse
from controller.declaration.written import WrittenTask
from controller.model.access import Right
from controller.model.job import Job
from controller.model.token import CERTIFICATE, Role
from controller.reconcile.access.rights import ADHOC, lacks, owns

SUPERUSER: Final = "root"


def as_whom(call: Call, wanted: str | None) -> str | None:
    """Say as which Linux user somebody's work runs; None: as whoever reaches the server.

    Raises:
        ProblemError: 403, as somebody else, or as root in the own name.
    """
    own = call.actor.name if call.actor.kind == CERTIFICATE else None
    user = own if wanted is None else wanted
    if call.grant.role is Role.ADMIN or user is None:
        return user
    if user != call.actor.name or user == SUPERUSER:
        raise refuse(
            HTTPStatus.FORBIDDEN,
            "not-allowed",
            f"to run as {user} needs the role {Role.ADMIN}",
            hint=f"leave it out, and it runs as {call.actor.name}" if own else None,
        )
    return user


def must_fetch(call: Call, written: WrittenTask | None) -> None:
    """Refuse people the files of a server: what a task brings back is read by whoever reaches the server, such as root.

    Raises:
        ProblemError: 403.
    """
    own = call.actor.kind == CERTIFICATE and call.grant.role is not Role.ADMIN
    if own and written is not None and written.fetches:
        raise refuse(
            HTTPStatus.FORBIDDEN,
            "not-allowed",
            f"to bring back a file of the server needs the role {Role.ADMIN}",
            hint="write it to the folder $CTL_ARTIFACTS",
        )


async def must_run_again(call: Call, job: Job) -> None:
    """Refuse people to run again, because it is theirs, what they could not run at all.

    Raises:
        ProblemError: 403, they have lost the right to it, or it ran as somebody else.
    """
    if owns(call.grant, ADHOC.role, "") is None:
        return
    why = lacks(call.grant, ADHOC)
    if why is not None:
        raise refuse(HTTPStatus.FORBIDDEN, "not-allowed", why)
    work = (await call.controller.jobs.body(job.id)).work
    for user in (work.user, *(step.user for step in work.steps if step.user is not None)):
        if user is None or as_whom(call, user) != user:
            raise refuse(
                HTTPStatus.FORBIDDEN,
                "not-allowed",
                f"job {job.id} did not run as {call.actor.name}",
                hint=f"who has the right {Right.ADHOC} runs it anew",
            )
