"""Every route there is, as data: what is not in this table does not exist.

Read by the app, which gives each its handler, by the gate, which lets nobody past it, and by the tests, which walk it with every role
and every state of a token.
"""

from collections.abc import Iterable
from typing import Final

from controller.api import answers, shapes
from controller.api.resources import (
    backups,
    config,
    debug,
    decisions,
    doors,
    drifts,
    fleet,
    home,
    hooks,
    jobs,
    kinds,
    logs,
    process,
    results,
    scripts,
    streams,
    tokens,
    work,
    workspaces,
)
from controller.api.route import Body, Route
from controller.api.settings import Anonymous
from controller.model.access import Right
from controller.model.token import Role

V1: Final = "/api/v1"
HTML: Final = "text/html"
TEXT: Final = "text/plain"
OPEN: Final = Anonymous.STATUS
FULL: Final = Anonymous.FULL


def _public(method: str, path: str, name: str, handler: object, **more: object) -> Route:
    """Make a route that asks nobody for a token."""
    return _route(method, path, name, handler, tag="controller", least=None, **more)


def _read(path: str, name: str, handler: object, tag: str, **more: object) -> Route:
    """Make a route that reads: for viewers, and for strangers at the level `full`."""
    return _route("GET", V1 + path, name, handler, tag=tag, **{"open_to": FULL, **more})


def _shown(
    path: str, name: str, handler: object, tag: str, shape: shapes.Shape, **more: object
) -> Route:
    """Make a route that reads, of which strangers see a part at the level `status`."""
    return _read(path, name, handler, tag, open_to=OPEN, shape=shape, **more)


def _change(path: str, name: str, handler: object, tag: str, **more: object) -> Route:
    """Make a route that changes something: for operators, and written down before and after."""
    return _route(
        "POST", V1 + path, name, handler, tag=tag,
        **{"least": Role.OPERATOR, "body": Body.JSON, "audited": True, **more},
    )  # fmt: skip


def _debug(path: str, name: str, handler: object, **more: object) -> Route:
    """Make a route that looks at the program itself: for admins, and written down before and after."""
    return _route(
        "GET", f"/debug{path}", name, handler,
        tag="debug", least=Role.ADMIN, audited=True, **more,
    )  # fmt: skip


def _route(method: str, path: str, name: str, handler: object, **more: object) -> Route:
    return Route(method=method, path=path, name=name, handler=handler, **more)  # type: ignore[arg-type]


CONTROLLER: Final = (
    _public("GET", "/healthz", "healthz", process.healthz, media=TEXT),
    _public("GET", "/readyz", "readyz", process.readyz, media=TEXT),
    _public("GET", "/heartbeat", "heartbeat", process.heartbeat, status=204),
    _public("HEAD", "/heartbeat", "heartbeat-head", process.heartbeat, status=204),
    _public("GET", "/version", "version", process.version, answers=answers.Version),
    _route(
        "GET", "/health", "health", process.health,
        tag="controller", open_to=OPEN, shape=shapes.PARTS, answers=answers.Health,
    ),
    _route(
        "GET", "/metrics", "metrics", process.numbers, tag="controller", open_to=OPEN, media=TEXT
    ),
    _public("GET", "/openapi.json", "openapi", doors.openapi, answers=answers.Empty),
    _public("GET", "/docs", "docs", doors.docs, media=HTML),
    _public("GET", "/style.css", "style", doors.style, media="text/css"),
    _public("GET", "/icon.svg", "icon", doors.icon, media="image/svg+xml"),
    _public("GET", "/login", "login-page", doors.login_page, media=HTML),
    _public("POST", "/login", "login", doors.login, body=Body.FORM, status=303),
    _public("POST", "/logout", "logout", doors.logout, body=Body.FORM, status=303),
    _route("GET", "/", "home", home.home, tag="controller", open_to=OPEN, media=HTML),
    _public(
        "POST", "/hooks/{repo}", "hook", hooks.push,
        body=Body.RAW, large=True, status=202, answers=answers.Accepted,
    ),
)  # fmt: skip

FLEET: Final = (
    _shown("/status", "status", fleet.status, "fleet", shapes.STATUS, answers=answers.Status),
    _read("/why", "why", fleet.why, "fleet", least=Role.OPERATOR, open_to=None, answers=answers.Gates),
    _shown("/targets", "targets", fleet.targets, "fleet", shapes.page(shapes.TARGET), answers=answers.Paged),
    _shown("/targets/{name}", "target", fleet.target, "fleet", shapes.TARGET, answers=answers.Named),
    _shown("/targets/{name}/history", "history", fleet.history, "fleet", shapes.HISTORY),
    _shown("/servers", "servers", fleet.servers, "fleet", shapes.page(shapes.SERVER), answers=answers.Paged),
    _shown("/servers/{name}", "server", fleet.server, "fleet", shapes.SERVER, answers=answers.Named),
    _shown("/repos", "repos", fleet.repos, "fleet", shapes.page(shapes.REPO), answers=answers.Paged),
    _shown("/repos/{name}", "repo", fleet.repo, "fleet", shapes.REPO, answers=answers.Named),
    _shown("/groups", "groups", fleet.groups, "fleet", shapes.page(shapes.GROUP), answers=answers.Paged),
    _shown("/groups/{name}", "group", fleet.group, "fleet", shapes.GROUP, answers=answers.Named),
    _read("/tasks", "tasks", fleet.tasks, "fleet", answers=answers.Paged),
    _read("/tasks/{name}", "task", fleet.task, "fleet", answers=answers.Named),
    _read("/inventories", "inventories", kinds.inventories, "fleet", answers=answers.Paged),
    _read("/inventories/{name}", "inventory", kinds.inventory, "fleet", answers=answers.Named),
    _read("/notifiers", "notifiers", kinds.notifiers, "fleet", answers=answers.Paged),
    _read("/notifiers/{name}", "notifier", kinds.notifier, "fleet", answers=answers.Named),
    _read("/secrets", "secrets", kinds.secrets, "fleet", open_to=None, answers=answers.Paged),
    _read("/secrets/{name}", "secret", kinds.secret, "fleet", open_to=None, answers=answers.Named),
    _read("/access", "access", kinds.rules, "fleet", open_to=None, answers=answers.Paged),
    _read("/access/{name}", "rule", kinds.rule, "fleet", open_to=None, answers=answers.Named),
    _read("/scripts", "scripts", scripts.scripts, "fleet", least=Role.OPERATOR, open_to=None),
    _read("/scripts/{name}", "script", scripts.script, "fleet", least=Role.OPERATOR, open_to=None, answers=answers.Empty),
    _read("/state", "state", fleet.state, "fleet", open_to=None, answers=answers.Empty),
    _read("/drift", "drift", drifts.drift, "fleet", least=Role.OPERATOR, open_to=None, answers=answers.Empty),
    _read("/drift/patch", "drift-patch", drifts.patch, "fleet", least=Role.OPERATOR, open_to=None, answers=answers.Empty),
)  # fmt: skip

WORK: Final = (
    _change("/plans", "plan", work.plans, "work", least=Role.VIEWER, audited=False, answers=answers.PlanAnswer),
    _change("/runs", "run-now", work.runs, "work", status=202, answers=answers.Report),
    _change(
        "/jobs", "adhoc", work.adhoc, "work", right=Right.ADHOC, own=True, status=202, answers=answers.Report
    ),
    _shown("/runs", "runs", jobs.runs, "work", shapes.page(shapes.RUN), answers=answers.RunPage),
    _shown("/runs/{id}", "run", jobs.run, "work", shapes.RUN_WITH_JOBS, answers=answers.RunWithJobs),
    _read("/runs/{id}/results", "results", results.results, "work", answers=answers.Paged),
    _shown("/jobs", "jobs", jobs.jobs, "work", shapes.page(shapes.JOB), answers=answers.JobPage),
    _shown("/jobs/{id}", "job", jobs.job, "work", shapes.JOB, answers=answers.JobAnswer),
    _read("/jobs/{id}/output", "output", streams.output, "work", stream=True, media="text/event-stream"),
    _read("/jobs/{id}/artifacts", "artifacts", jobs.artifacts, "work"),
    _read(
        "/jobs/{id}/artifacts/{name:path}", "artifact", jobs.artifact, "work",
        stream=True, media="application/octet-stream",
    ),
    _read("/jobs/{id}/workspace", "workspace", workspaces.listing, "work", least=Role.OPERATOR, open_to=None, own=True),
    _read(
        "/jobs/{id}/workspace/{name:path}", "workspace-file", workspaces.read, "work",
        least=Role.OPERATOR, open_to=None, own=True, stream=True, media="application/octet-stream",
    ),
    _route(
        "PUT", V1 + "/jobs/{id}/workspace/{name:path}", "put-workspace-file", workspaces.write,
        tag="work", least=Role.OPERATOR, own=True, body=Body.RAW, large=True, audited=True, answers=answers.Empty,
    ),
    _route(
        "DELETE", V1 + "/jobs/{id}/workspace/{name:path}", "remove-workspace-file", workspaces.remove,
        tag="work", least=Role.OPERATOR, own=True, audited=True, answers=answers.Empty,
    ),
    _change("/jobs/{id}/stop", "stop", jobs.stop, "work", own=True, answers=answers.JobAnswer),
    _change("/jobs/{id}/pause", "pause", jobs.pause, "work", own=True, answers=answers.JobAnswer),
    _change("/jobs/{id}/resume", "resume-job", jobs.resume, "work", own=True, body=Body.NONE, answers=answers.JobAnswer),
    _change("/jobs/{id}/retry", "retry", jobs.retry, "work", own=True, status=202, answers=answers.Report),
    _change("/jobs/{id}/resolve", "resolve", jobs.resolve, "work", answers=answers.JobAnswer),
    _change("/jobs/{id}/archive", "archive", jobs.archive, "work", own=True, body=Body.NONE, answers=answers.JobAnswer),
    _change("/jobs/{id}/input", "input", jobs.feed, "work", own=True, answers=answers.Empty),
)  # fmt: skip

DECISIONS: Final = (
    _change("/targets/{name}/suspend", "suspend", decisions.suspend, "decisions", answers=answers.Empty),
    _change("/targets/{name}/resume", "resume", decisions.resume, "decisions", answers=answers.Empty),
    _change(
        "/targets/{name}/approve", "approve", decisions.approve, "decisions",
        right=Right.APPROVE, instead=True, answers=answers.Empty,
    ),
    _change("/targets/{name}/rollback", "rollback", decisions.rollback, "decisions", answers=answers.Empty),
    _change("/targets/{name}/lift", "lift", decisions.lift, "decisions", answers=answers.Empty),
    _change("/drift/ignore", "ignore-drift", decisions.ignore, "decisions", answers=answers.Empty),
    _change("/drift/show", "show-drift", decisions.show, "decisions", answers=answers.Empty),
    _change(
        "/servers/{name}/check", "check-server", decisions.check_server, "decisions",
        body=Body.NONE, answers=answers.Empty,
    ),
    _change("/repos/{name}/check", "check-repo", decisions.check_repo, "decisions", answers=answers.Empty),
    _change("/config/check", "check-config", config.check, "decisions", answers=answers.ConfigLook),
    _read("/pool", "pool", decisions.pool, "decisions", least=Role.OPERATOR, open_to=None),
    _route(
        "PUT", V1 + "/pool", "set-pool", decisions.set_pool,
        tag="decisions", least=Role.OPERATOR, body=Body.JSON, audited=True,
    ),
)  # fmt: skip

NEWS: Final = (
    _shown("/logs/activity", "activity", logs.activity, "news", shapes.LOG, answers=answers.Paged),
    _shown("/logs/connectivity", "connectivity", logs.connectivity, "news", shapes.LOG, answers=answers.Paged),
    _read("/logs/verify", "verify-logs", logs.verify, "news", least=Role.OPERATOR, open_to=None, answers=answers.Empty),
    _shown("/events", "events", streams.events, "news", shapes.NEWS, stream=True, media="text/event-stream"),
)  # fmt: skip

TOKENS: Final = (
    _read("/tokens", "tokens", tokens.listing, "tokens", least=Role.ADMIN, open_to=None),
    _read("/tokens/audit", "token-audit", tokens.audit, "tokens", least=Role.ADMIN, open_to=None),
    _change("/tokens", "create-token", tokens.create, "tokens", least=Role.ADMIN, status=201, secret=True, answers=answers.MintedAnswer),
    _change(
        "/tokens/{id}/rotate", "rotate-token", tokens.rotate, "tokens",
        least=Role.ADMIN, status=201, secret=True, answers=answers.MintedAnswer,
    ),
    _change(
        "/tokens/{id}/revoke", "revoke-token", tokens.revoke, "tokens",
        least=Role.ADMIN, body=Body.NONE, answers=answers.TokenAnswer,
    ),
)  # fmt: skip

STATE: Final = (
    _change(
        "/backup", "backup", backups.backup, "controller",
        least=Role.ADMIN, body=Body.NONE, secret=True, stream=True, media="application/octet-stream",
    ),
    _change("/release", "release", backups.release, "controller", least=Role.ADMIN, answers=answers.Empty),
)  # fmt: skip

DEBUG: Final = (
    _debug("/threads", "debug-threads", debug.threads),
    _debug("/tasks", "debug-tasks", debug.tasks),
    _debug("/profile", "debug-profile", debug.profile, media=TEXT),
    _debug("/memory", "debug-memory", debug.memory),
)
"""Only there with `ctl serve --debug`; what looks at the program itself is in no description of the API."""

ROUTES: Final[tuple[Route, ...]] = (*CONTROLLER, *FLEET, *WORK, *DECISIONS, *NEWS, *TOKENS, *STATE)


def named(routes: Iterable[Route]) -> dict[str, Route]:
    """Give routes by name."""
    return {route.name: route for route in routes}
