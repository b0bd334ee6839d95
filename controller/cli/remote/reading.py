"""Documents of the API as the records they were; the way back from `reconcile/documents.py` and `planning/document.py`.

Pure. Called by the other files of this package. What a newer controller adds is left alone.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from controller.cli.remote.client import listing, mapping
from controller.cli.remote.refusals import UnreachedError, revived
from controller.errors import ControllerError, TransportError, Unreachable
from controller.jobs.report import count
from controller.journal.line import Line
from controller.model.diagnostic import Diagnostic
from controller.model.job import Job, Run
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.past import TargetRun
from controller.model.plan import Summary
from controller.model.serving import Contact
from controller.model.task import Result, ResultType
from controller.model.token import Token
from controller.planning.gates import GateResult
from controller.reconcile.exchange.answers import ServerOffers, ServerPool
from controller.reconcile.exchange.checks import RepoCheck
from controller.reconcile.exchange.decisions import PastRun
from controller.reconcile.exchange.drifts import DriftReport
from controller.reconcile.exchange.reports import RunReport, RunSummary
from controller.reconcile.exchange.status import Problem, Sightings, StatusReport, TargetStatus
from controller.transport.port import Pool, ScriptSource, ServerScript

T = TypeVar("T")

OTHER = frozenset({"ts", "seq", "prev", "event", "actor"})
"""Members of a line of a log that are no fields."""


def read(kind: type[T], document: object) -> T:
    """Read a document as a record.

    Raises:
        UnreachedError: it is none of that kind.
    """
    try:
        return msgspec.convert(document, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UnreachedError(
            f"cannot read what the controller answers: {error}",
            hint="without a token much is left out (CTL_TOKEN); else: is it of another version? ctl version",
        ) from error


def job_of(document: object) -> Job:
    """Read a job."""
    told = mapping(document)
    return read(Job, {**told, "paused": told.get("paused_seconds", 0.0)})


def run_of(document: object) -> Run:
    """Read a run; what its scheduler keeps to stays over there."""
    return read(Run, document)


def status_of(document: object, running: Sequence[Job] = ()) -> StatusReport:
    """Read the status; it only names what runs, so the jobs come beside it."""
    told = mapping(document)
    invalid = told.get("invalid")
    refused = [] if invalid is None else listing(mapping(invalid)["diagnostics"])
    return StatusReport(
        commit=told.get("commit"),  # type: ignore[arg-type]  # text or null, by its shape
        dirty=bool(told.get("dirty")),
        author=told.get("author"),  # type: ignore[arg-type]
        subject=told.get("subject"),  # type: ignore[arg-type]
        observed_at=_moment(told.get("observed_at")),
        targets=tuple(read(TargetStatus, one) for one in listing(told["targets"])),
        problems=tuple(read(Problem, one) for one in listing(told.get("problems", []))),
        running=tuple(running),
        upcoming=tuple(
            (str(one["target"]), read(datetime, one["at"]))
            for one in map(mapping, listing(told.get("next_runs", [])))
        ),
        diagnostics=tuple(
            dict.fromkeys(diagnostics_of((*listing(told.get("diagnostics", [])), *refused)))
        ),
        summary=read(Summary, told.get("summary", {})),
    )


def diagnostics_of(rows: Iterable[object]) -> tuple[Diagnostic, ...]:
    """Read findings."""
    return tuple(read(Diagnostic, placed(mapping(row))) for row in rows)


def placed(row: Mapping[str, object]) -> dict[str, object]:
    """Give a finding its place as a record of its own."""
    keys = ("file", "line", "column")
    return {**row, "place": {key: row[key] for key in keys if row.get(key) is not None}}


def gates_of(document: object) -> tuple[GateResult, ...]:
    """Read how every gate answered."""
    return tuple(read(GateResult, one) for one in listing(mapping(document)["gates"]))


def drift_of(document: object) -> DriftReport:
    """Read drift."""
    told = mapping(document)
    unseen = [mapping(one) for one in listing(told.get("unseen", []))]
    return read(
        DriftReport, {**told, "unseen": [(one["server"], one["message"]) for one in unseen]}
    )


def past_of(document: object) -> PastRun:
    """Read one run of a target."""
    told = mapping(document)
    sums = read(TargetRun, told)
    if told.get("actor") is None:
        return PastRun(sums=sums)
    halted = told.get("halted")
    run = Run(
        id=sums.run,
        actor=str(told["actor"]),
        created_at=sums.created_at,
        halted={} if halted is None else {sums.target: str(halted)},
    )
    return PastRun(sums=sums, run=run)


def report_of(document: object, run: Run | None, jobs: tuple[Job, ...]) -> RunReport:
    """Give how a run went: what was told when it was recorded, and how its run and jobs stand now."""
    told, counts = mapping(document), count(jobs)
    summary = RunSummary(
        succeeded=counts.succeeded,
        failed=counts.failed,
        unreachable=counts.unreachable,
        skipped=counts.skipped,
        cancelled=counts.cancelled,
        unhealthy=counts.unhealthy,
    )
    return RunReport(
        run=run,
        jobs=jobs,
        summary=summary if jobs else read(RunSummary, told.get("summary", {})),
        halted={} if run is None else run.halted,
        refused=counts.refused,
        took=took(run),
        waiting=any(not job.state.ended for job in jobs),
        forgotten=read(int, told.get("forgotten", 0)),
    )


def took(run: Run | None) -> float:
    """Say how many seconds a run took from its record to its end; 0 while it goes on."""
    if run is None or run.finished_at is None:
        return 0.0
    return max(0.0, (run.finished_at - run.created_at).total_seconds())


def seen_of(server: str, told: Mapping[str, object]) -> ServerSeen:
    """Read how a server was seen; of its markers and checks only the names are told."""
    kept = ("at", "reached", "cause", "message", "boot_id", "login", "root", "host")
    return read(ServerSeen, {"server": server, **{key: told[key] for key in kept if key in told}})


def sightings_of(
    servers: Iterable[Mapping[str, object]], repos: Iterable[Mapping[str, object]]
) -> Sightings:
    """Read how servers and repos were last seen."""
    rows = [(str(one["name"]), one.get("observed"), one.get("contact")) for one in servers]
    looked = [(str(one["name"]), one.get("observed")) for one in repos]
    return Sightings(
        servers={name: seen_of(name, mapping(seen)) for name, seen, _ in rows if seen is not None},
        contacts={
            name: contact_of(name, mapping(told)) for name, _, told in rows if told is not None
        },
        repos={name: read(RepoSeen, seen) for name, seen in looked if seen is not None},
    )


def contact_of(server: str, told: Mapping[str, object]) -> Contact:
    """Read how a server was reached over time."""
    return read(Contact, {"server": server, **told})


def offers_of(document: object) -> ServerOffers:
    """Read what one server offers."""
    told = mapping(document)
    trouble = told.get("trouble")
    return ServerOffers(
        server=str(told["server"]),
        scripts=tuple(map(script_of, map(mapping, listing(told["scripts"])))),
        trouble=None if trouble is None else _trouble(mapping(trouble)),
    )


def script_of(told: Mapping[str, object]) -> ServerScript:
    """Read one script."""
    result = Result(type=read(ResultType, told["result"]), path=_text(told.get("file")))
    return ServerScript(
        name=str(told["name"]),
        sha256=_text(told.get("sha256")) or "",
        size=read(int, told.get("size", 0)),
        title=_text(told.get("title")) or "",
        result=result,
        problem=_text(told.get("problem")) or "",
    )


def source_of(document: object) -> ScriptSource:
    """Read a script with its text."""
    told = mapping(document)
    headers = {name: str(value) for name, value in mapping(told["headers"]).items()}
    return ScriptSource(
        script=script_of(told), headers=headers, text=base64.b64decode(str(told["octets"]))
    )


def repo_check_of(document: object) -> RepoCheck:
    """Read how a look at a repo went."""
    return read(RepoCheck, document)


def pool_of(document: object) -> ServerPool:
    """Read the pool of one server."""
    told = mapping(document)
    trouble = told.get("trouble")
    pool = told.get("pool")
    return ServerPool(
        server=str(told["server"]),
        pool=None if pool is None else read(Pool, pool),
        trouble=None if trouble is None else _trouble(mapping(trouble)),
    )


def token_of(document: object) -> Token:
    """Read a token; its hash stays over there."""
    return read(Token, {**mapping(document), "sha256": ""})


def line_of(document: object) -> Line:
    """Read one line of a log."""
    told = mapping(document)
    fields = {name: value for name, value in told.items() if name not in OTHER}
    return read(Line, {**{name: told[name] for name in OTHER if name in told}, "fields": fields})


def _trouble(told: Mapping[str, object]) -> ControllerError:
    message, hint = str(told["message"]), told.get("hint")
    said = None if hint is None else str(hint)
    known = revived(told.get("reference"), message, said)
    return known or TransportError(message, cause=Unreachable.STATE, hint=said)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _moment(value: object) -> datetime | None:
    return None if value is None else read(datetime, value)
