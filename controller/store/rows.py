"""Records to the text of a row and back: the one place where the shelf's shape of a model is decided.

Called by the shelves and, so that both twins keep exactly the same things, by `memory`. Datetimes are kept in UTC; numbers and
names as JSON has them. Unknown keys are ignored on reading, so that a column written by a newer patch release still reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from controller.errors import StateError
from controller.model.applied import Applied
from controller.model.declaration import OnRemove, Repo
from controller.model.files import DeliverySeen
from controller.model.ids import Digest, JobId
from controller.model.inventory import Server
from controller.model.job import Archived, Event, Job, JobBody, Run
from controller.model.notice import Letter, Trouble
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.serving import Answered, Contact, Due, News, Part
from controller.model.standing import Approval, Ignore, Pin, Suspension
from controller.model.token import Token
from controller.model.wishes import Wishes
from controller.model.work import Work

Record = TypeVar(
    "Record",
    Run,
    Job,
    Event,
    Applied,
    ServerSeen,
    RepoSeen,
    Work,
    "BodyRow",
    Suspension,
    Approval,
    Pin,
    Ignore,
    Wishes,
    Archived,
    Token,
    Part,
    Contact,
    Due,
    News,
    Answered,
    Letter,
    Trouble,
)

Row = dict[str, object]
"""Values of one row by column."""


def _plain(value: object) -> object:
    """Write out a mapping that is none of Python's own, such as the late places of variables."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"nothing knows how to write a {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRow:
    """A job's body without its works, which many jobs share."""

    job: JobId
    server: Server
    project: str = "main"
    expect: Digest | None = None
    manifest: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    committed_at: datetime | None = None
    fed: bool = False
    repo: Repo | None = None
    on_remove: OnRemove = OnRemove.FORGET
    protect: bool = False
    removes: bool = False
    was: tuple[str, str] | None = None


def encode(record: object) -> str:
    """Turn a record into the text of its row.

    Raises:
        StateError: a value in it has no JSON form, such as text with half a surrogate pair.
    """
    try:
        return _ENCODER.encode(record).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StateError(
            f"cannot record a {type(record).__name__} with a value that JSON cannot hold: {error}"
        ) from error


def decode(shape: type[Record], data: str) -> Record:
    """Turn the text of a row back into its record.

    Raises:
        StateError: the row does not hold such a record.
    """
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StateError(
            f"cannot read a {shape.__name__} from the state: {error}",
            hint="restore the state folder from a backup",
        ) from error


def moment_text(moment: datetime) -> str:
    """Write a moment to the second as it stands in rows, so that they compare as texts do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stamp(moment: datetime) -> str:
    """Write a moment to the microsecond, always as long, so that stamps compare as moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def body_row(body: JobBody) -> BodyRow:
    """Take the works out of a body."""
    return BodyRow(
        job=body.job,
        server=body.server,
        project=body.project,
        expect=body.expect,
        manifest=body.manifest,
        facts=body.facts,
        committed_at=body.committed_at,
        fed=body.fed,
        repo=body.repo,
        on_remove=body.on_remove,
        protect=body.protect,
        removes=body.removes,
        was=body.was,
    )


def whole_body(row: BodyRow, work: Work, undo: Work | None) -> JobBody:
    """Put the works back into a body."""
    return JobBody(
        job=row.job,
        server=row.server,
        work=work,
        project=row.project,
        expect=row.expect,
        manifest=row.manifest,
        facts=row.facts,
        committed_at=row.committed_at,
        fed=row.fed,
        repo=row.repo,
        undo=undo,
        on_remove=row.on_remove,
        protect=row.protect,
        removes=row.removes,
        was=row.was,
    )


def kept_server(seen: ServerSeen) -> ServerSeen:
    """Leave out what is never stored: the bytes of files that were read to show a difference."""
    if not any(file.content for one in seen.deliveries.values() for file in one.files.values()):
        return seen
    return replace(seen, deliveries={name: _bare(one) for name, one in seen.deliveries.items()})


def _bare(seen: DeliverySeen) -> DeliverySeen:
    files = {path: replace(file, content=None) for path, file in seen.files.items()}
    return replace(seen, files=files)


def job_row(job: Job) -> Row:
    """Spread a job over the columns of its row."""
    return {
        "id": job.id,
        "run": job.run,
        "target": job.target,
        "server": job.server,
        "state": job.state.value,
        "stop_requested": job.stop_requested,
        "data": encode(job),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What columns of their own say of a job, because people write it while the engine works."""

    stop_requested: bool = False
    wishes: str | None = None
    archived: str | None = None


def stored_job(data: str, beside: Beside) -> Job:
    """Read a job with what stands beside it."""
    job = decode(Job, data)
    wishes = Wishes() if beside.wishes is None else decode(Wishes, beside.wishes)
    archived = None if beside.archived is None else decode(Archived, beside.archived)
    now = (beside.stop_requested, wishes, archived)
    if (job.stop_requested, job.wishes, job.archived) == now:
        return job
    return replace(job, stop_requested=now[0], wishes=wishes, archived=archived)
