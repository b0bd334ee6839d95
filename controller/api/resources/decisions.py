"""What people decide and ask for: about targets, drift, servers, repos and worker pools."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from controller.api.bodies import (
    ApproveBody,
    IgnoreBody,
    Name,
    NeededReasonBody,
    PoolBody,
    ReasonBody,
    RepoCheckBody,
    RollbackBody,
    Selector,
    ShowBody,
    SuspendBody,
)
from controller.api.call import Asked, Call
from controller.api.problems import refuse
from controller.api.resources.fleet import found, used
from controller.api.resources.work import must_run_anything
from controller.model.safe_text import safe_text
from controller.planning.document import document
from controller.reconcile.declared import seen_document
from controller.reconcile.documents import plain
from controller.reconcile.exchange.answers import ServerPool
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.walk.loading import select


def moment(call: Call, until: datetime | None) -> datetime | None:
    """Refuse an end that has passed, or that nobody can place.

    Raises:
        ProblemError: 422.
    """
    if until is None:
        return None
    if until.tzinfo is None or until <= call.serving.clock.now():
        raise refuse(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "usage",
            "until is a moment to come, with an offset",
            hint="such as 2030-01-31T12:00:00Z",
        )
    return until


async def look_again(call: Call, target: str, why: str) -> None:
    """Have a target decided anew."""
    await call.serving.poke(Key(Kind.TARGET, target), why=why)


async def suspend(call: Asked, name: Name, body: SuspendBody) -> Response:
    """Switch a target off until a moment, or until it is resumed."""
    call.must_decide(name)
    done = await call.controller.suspend(name, reason=body.reason, until=moment(call, body.until))
    return call.answer({"suspension": done.suspension, "replaced": done.replaced})


async def resume(call: Asked, name: Name, body: ReasonBody) -> Response:
    """Switch a target on again; what its declaration says about it stays."""
    call.must_decide(name)
    done = await call.controller.resume(name, reason=body.reason)
    await look_again(call, name, "it was resumed")
    return call.answer({"lifted": done.lifted, "declared": done.declared})


async def approve(call: Asked, name: Name, body: ApproveBody) -> Response:
    """Approve exactly what a plan showed: `digest` is that of the target in its `approvable`. Anything else is refused with 409."""
    call.must_decide(name)
    done = await call.controller.approve(
        name, confirm=lambda plan: plan.approvable.get(name) == body.digest, reason=body.reason
    )
    if done.approval is None:
        raise refuse(
            HTTPStatus.CONFLICT,
            "plan-stale",
            "what would happen to the target now is not what was approved",
            hint="plan again, read it, and approve its digest",
        )
    await look_again(call, name, "it was approved")
    return call.answer(
        {
            "digest": done.digest,
            "approval": done.approval,
            "plan": {**document(done.plan), "state": call.serving.state},
        }
    )


async def rollback(call: Asked, name: Name, body: RollbackBody) -> Response:
    """Hold a target at an earlier commit of its repo."""
    call.must_decide(name)
    done = await call.controller.rollback(
        name, to=body.to, reason=body.reason, until=moment(call, body.until)
    )
    await look_again(call, name, "it was rolled back")
    return call.answer({"pin": done.pin, "replaced": done.replaced, "files": done.files})


async def lift(call: Asked, name: Name, body: NeededReasonBody) -> Response:
    """Let go of a target that is held at a commit; `pin` null: it was not held."""
    call.must_decide(name)
    done = await call.controller.lift_pin(name, reason=body.reason)
    await look_again(call, name, "its pin was lifted")
    return call.answer({"pin": done})


async def ignore(call: Asked, body: IgnoreBody) -> Response:
    """Hide drift of a pair, or of one path of it, until a moment."""
    call.must_reach(targets=[body.target], servers=[body.server])
    until = moment(call, body.until) or body.until
    done = await call.controller.ignore_drift(
        body.target, body.server, path=body.path, reason=body.reason, until=until
    )
    return call.answer({"ignore": done.ignore, "replaced": done.replaced})


async def show(call: Asked, body: ShowBody) -> Response:
    """Show drift again that was hidden; `lifted` null: nobody hid it."""
    call.must_reach(targets=[body.target], servers=[body.server])
    done = await call.controller.show_drift_again(
        body.target, body.server, path=body.path, reason=body.reason
    )
    return call.answer({"lifted": done})


async def check_server(call: Asked, name: Name) -> Response:
    """Reach a server now and run `uptime` there."""
    call.must_reach(servers=[name])
    done = await call.controller.check_server(name)
    await call.serving.poke(Key(Kind.SERVER, name), why=f"checked by {call.actor.name}")
    return call.answer(
        {
            "server": name,
            "observed": seen_document(done.seen),
            "exit_code": done.exit_code,
            "output": safe_text(done.output, lines=True),
            "took": done.took,
        }
    )


async def check_repo(call: Asked, name: Name, body: RepoCheckBody) -> Response:
    """Fetch a repo now; `accept_rewind` (with a reason) takes history that was rewritten."""
    found(used(call).repos, name, "repo")
    if body.accept_rewind:
        call.must_reach_all()
    done = await call.controller.check_repo(
        name, accept_rewind=body.accept_rewind, reason=body.reason or None
    )
    await call.serving.poke(Key(Kind.REPO, name), why=f"checked by {call.actor.name}")
    document_ = plain(done)
    return call.answer({"repo": name, **(document_ if isinstance(document_, dict) else {})})


async def pool(call: Asked, on: Annotated[Selector, Query()]) -> Response:
    """Ask the agents of servers how many jobs they run at once."""
    call.must_reach(servers=select(on, call.declaration.inventory))
    return call.answer([pool_document(one) for one in await call.controller.pools(on)])


async def set_pool(call: Asked, body: PoolBody) -> Response:
    """Change how many jobs the agents of servers run at once."""
    must_run_anything(call, body.on)  # it counts for the work of every target there
    changed = await call.controller.pools(body.on, workers=body.workers)
    return call.answer([pool_document(one) for one in changed])


def pool_document(one: ServerPool) -> dict[str, object]:
    """Give the pool of a server, or why it is not known."""
    trouble = one.trouble
    return {
        "server": one.server,
        "pool": plain(one.pool),
        "trouble": None
        if trouble is None
        else {"reference": trouble.reference, "message": trouble.message, "hint": trouble.hint},
    }
