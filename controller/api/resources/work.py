"""Asking for work: plans, runs, undeclared commands. A run is answered when it is recorded, not when it has ended.

What lies outside the scope of whoever asks is found in the very plan that is about to be carried out, so that nothing slips through
between a question and its answer.
"""

import base64
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from controller.api.bodies import AdhocBody, ApplyBody, PlanBody, RunBody, RunsBody
from controller.api.call import Asked, Call
from controller.api.problems import NOTHING_IN_FORCE, Problem, ProblemError, refuse
from controller.api.whose import as_whom, must_fetch
from controller.declaration import undeclared
from controller.declaration.written import WrittenTask
from controller.model.diagnostic import Diagnostic, Severity
from controller.model.plan import Plan
from controller.model.safe_text import safe_text
from controller.model.task import Limits
from controller.model.token import Role
from controller.planning import applying
from controller.planning.document import document
from controller.reconcile.documents import report_document
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.exchange.reports import RunReport
from controller.reconcile.exchange.requests import ApplyRequest, PlanRequest, RunRequest
from controller.reconcile.walk.loading import select


async def plans(call: Asked, body: PlanBody) -> Response:
    """Work out what would happen, and why; `refresh` opens the servers first. Changes nothing."""
    must_know(call)
    if body.refresh:
        must_operate(call)
    limit, targets = narrowed(call, body.limit, body.targets)
    plan = await call.controller.plan(
        PlanRequest(
            at=body.at,
            as_of=body.as_of,
            between=body.between,
            refresh=body.refresh,
            limit=limit,
            targets=targets,
            heal=body.heal,
            full=body.full,
            overrides=body.overrides,
        )
    )
    return call.answer({**document(plan), "state": call.serving.state})


def must_know(call: Call) -> None:
    """Refuse until declarations are in force, a moment after the start: what is declared is not unknown, only not read yet."""
    if call.serving.generation is None:
        raise ProblemError(NOTHING_IN_FORCE)


def must_operate(call: Call) -> None:
    """Refuse to open servers for those who only look on."""
    if call.grant.role is None or call.grant.role.rank < Role.OPERATOR.rank:
        raise refuse(
            HTTPStatus.FORBIDDEN, "not-allowed", "opening servers needs the role operator",
            hint="refresh: false uses what was last seen",
        )  # fmt: skip


def narrowed(
    call: Call, limit: str | None, targets: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """Narrow filters to the scope; what was named outside of it is refused, not left out in silence."""
    if call.grant.whole:
        return limit, targets
    call.must_reach(targets=targets)
    names = targets or tuple(filter(call.sees_target, sorted(call.declaration.targets)))
    inside = call.servers_seen()
    if inside is not None:
        wanted = (
            inside if limit is None else inside & set(select(limit, call.declaration.inventory))
        )
        limit = ":".join(sorted(wanted))
    if not names or limit == "":
        raise refuse(HTTPStatus.FORBIDDEN, "outside-scope", "nothing of this is within the scope")
    return limit, names


async def runs(call: Asked, body: RunsBody) -> Response:
    """Carry out a plan, or run a task or a target now. 202: the run is recorded, and goes on whatever happens to the connection."""
    must_know(call)
    if isinstance(body, ApplyBody):
        return await apply(call, body)
    return recorded(call, await run(call, body))


async def apply(call: Call, body: ApplyBody) -> Response:
    """Carry out a plan made now."""
    limit, targets = narrowed(call, body.limit, body.targets)
    must_override(call, body)
    outcome = await call.recording.apply(
        ApplyRequest(
            resume=body.resume,
            failed_only=body.failed_only,
            overrides=body.overrides,
            limit=limit,
            targets=targets,
            heal=body.heal,
            parallel=body.parallel,
            confirm=lambda plan: agreed(call, plan, body.digest),
        )
    )
    if outcome.declined:
        raise refuse(
            HTTPStatus.CONFLICT,
            "plan-stale",
            "what would happen now is not what was agreed to",
            hint="plan again, and send the digest of that plan",
        )
    return recorded(call, outcome.report)


def must_override(call: Call, body: ApplyBody) -> None:
    """Refuse to pass over gates to all but admins: an approval that anybody may pass over is none."""
    if body.overrides and call.grant.role is not Role.ADMIN:
        raise refuse(
            HTTPStatus.FORBIDDEN, "not-allowed", "to pass over a gate needs the role admin",
            hint="leave out overrides, or have the target approved",
        )  # fmt: skip


def agreed(call: Call, plan: Plan, digest: str | None) -> bool:
    """Say whether a plan is what was agreed to, and lies within the scope."""
    # All that it takes up, servers that do not answer now included.
    taken = applying.apply_set(plan)
    call.must_reach(
        targets={change.target for change in taken}, servers={change.server for change in taken}
    )
    return digest is None or digest == plan.digest


async def run(call: Call, body: RunBody) -> RunReport:
    """Run a task or a target now."""
    if (body.task is None) is (body.target is None):
        raise refuse(
            HTTPStatus.UNPROCESSABLE_ENTITY, "usage", "this names either a task or a target"
        )
    on = body.on
    if body.target is not None:
        call.must_reach(targets=[body.target])
        on, _ = narrowed(call, on, (body.target,))
    else:
        must_run_anything(call, on)
        if body.task not in call.declaration.tasks:
            raise refuse(
                HTTPStatus.NOT_FOUND,
                "not-found",
                "there is no task of this name",
                hint="POST /api/v1/jobs runs scripts that are not declared",
            )
    request = RunRequest(
        task=body.task,
        target=body.target,
        on=on,
        params=body.params,
        stdin=base64.b64decode(body.stdin),
        interactive=body.interactive,
        parallel=body.parallel,
    )
    return await call.recording.run(request)


def must_run_anything(call: Call, on: str | None) -> None:
    """Refuse work of no target to those whose scope is some targets, and servers outside the scope to all."""
    if call.grant.targets:
        raise refuse(
            HTTPStatus.FORBIDDEN, "outside-scope", "the scope is some targets, and this is of none"
        )
    if on is not None:
        call.must_reach(servers=select(on, call.declaration.inventory))


async def adhoc(call: Asked, body: AdhocBody) -> Response:
    """Run a task's body, a command or a script that nobody declared, on the servers `on` picks. Needs the right `adhoc` in `access`."""
    must_know(call)
    must_run_anything(call, body.on)
    written = written_of(body)
    must_be(call, [body.user, *(() if written is None else written.users())])
    must_fetch(call, written)
    request = RunRequest(
        task=body.script,
        on=body.on,
        words=body.command if body.run is None else (body.run,),
        written=written,
        params=body.params,
        user=as_whom(call, body.user),
        limits=Limits(**body.limits.model_dump()),
        stdin=base64.b64decode(body.stdin),
        interactive=body.interactive,
        parallel=body.parallel,
    )
    try:
        report = await call.recording.run(request)
    except InvalidDeclarationError as error:
        if written is None:
            raise
        raise unfit(written, error.diagnostics) from error
    return recorded(call, report)


def must_be(call: Call, users: Iterable[str | None]) -> None:
    """Refuse to run as anybody else to all but admins; a template names nobody for certain."""
    if call.grant.role is not Role.ADMIN and not {None, call.actor.name}.issuperset(users):
        raise refuse(
            HTTPStatus.FORBIDDEN, "not-allowed", "to run as somebody else needs the role admin"
        )


def written_of(body: AdhocBody) -> WrittenTask | None:
    """See that a request names exactly one thing to run; give the task, where it is one."""
    ways = {
        "run": body.run is not None,
        "command": bool(body.command) and body.script is None,
        "script": body.script is not None,
        "task": body.task is not None,
    }
    if sum(ways.values()) != 1:
        raise refuse(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "usage",
            f"this names exactly one of {', '.join(ways)}",
        )
    if body.task is None:
        return None
    written, why = undeclared.of_json("body/task", body.task)
    if written is None:
        raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, "task-invalid", why)
    return written


def unfit(written: WrittenTask, found: Sequence[Diagnostic]) -> ProblemError:
    """Say what of a task that was sent is wrong, and where: what `ctl validate` says of a declared one."""
    wrong = [one for one in found if one.severity is Severity.ERROR]
    errors = [
        {
            "at": safe_text(written.at(one.place)),
            "code": one.code,
            "message": safe_text(one.message),
            **({} if one.hint is None else {"hint": safe_text(one.hint)}),
        }
        for one in wrong[:SHOWN]
    ]
    return ProblemError(
        Problem(
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            reference="task-invalid",
            detail=f"{errors[0]['at']}: {errors[0]['message']}",
            hint="ctl schema task says what a task holds",
            members={"errors": errors},
        )
    )


SHOWN: Final = 50
"""Findings about a task that are told at once."""


def recorded(call: Call, report: RunReport) -> Response:
    """Answer with a run that is recorded: 202, and where to look; 200 when there was nothing to do."""
    document_ = report_document(report)
    if not call.grant.whole:
        document_["held"] = [*seen_of(call, document_["held"])]
    if report.run is None:
        return call.answer(document_)
    where = {"location": f"/api/v1/runs/{report.run.id}"}
    return call.answer(document_, status=HTTPStatus.ACCEPTED, headers=where)


def seen_of(call: Call, held: object) -> Iterable[object]:
    """Leave out what lies outside the scope."""
    rows = held if isinstance(held, list) else []
    return (one for one in rows if call.sees_target(one["target"]))
