"""Who may ask what, by certificate: every kind, every role, every owner; and what an agent of nothing but scripts takes."""

import asyncio
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from controller.agent.asker import Asker
from controller.agent.errors import AgentError, DeniedError, MissingError
from controller.agent.jobs import MOST_OPEN
from controller.agent.owners import (
    RULES,
    Right,
    check_kind,
    check_own,
    check_path,
    check_user,
    owner_of,
)
from controller.execution.errors import ExecutionError, FullError
from controller.wire.messages import attempts, files, server, streams, targets
from controller.wire.messages.attempts import (
    Attempt,
    AttemptPage,
    GetAttempt,
    ListAttempts,
    RunScript,
)
from controller.wire.messages.server import Done, GetPool, Pool
from controller.wire.messages.table import KINDS, Manner, To
from tests.agent.answers_room import ANA, MAIN, OPS, Line, Room, asker

pytestmark = pytest.mark.real
ROLES = {"controller": MAIN, "admin": OPS, "user": ANA, "agent": asker("x", "agent", "x")}  # type: ignore[arg-type]
ASKED = [
    kind.record
    for kind in KINDS
    if kind.manner in (Manner.REQUEST, Manner.OPENING) and kind.to is To.AGENT
]
HOLDER = targets.Holder(run="r", who="w", controller="c", boot_id="b", since=1.0)
HOST_FILE = "/etc/hostname"


def test_every_kind_that_an_agent_takes_has_a_rule() -> None:
    assert set(RULES) == set(ASKED)


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize("who", ROLES.values(), ids=ROLES)
def test_only_controllers_and_admins_rule(kind: type, who: Asker) -> None:
    ruling = {
        targets.ReadMarkers,
        targets.ReadLocks,
        targets.ClaimTarget,
        targets.ReleaseTarget,
        targets.ForgetTarget,
        server.SetPool,
    }
    if kind in ruling and who not in (MAIN, OPS):
        with pytest.raises(DeniedError):
            check_kind(who, kind, scripts_only=False)
    else:
        assert (check_kind(who, kind, scripts_only=False) is Right.RULE) == (kind in ruling)


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize("who", ROLES.values(), ids=ROLES)
def test_an_agent_of_scripts_takes_no_other_work_from_anybody(kind: type, who: Asker) -> None:
    refused = kind in (attempts.Start, files.Probe, streams.OpenUpload)
    if refused:
        with pytest.raises(DeniedError, match="nothing but its scripts"):
            check_kind(who, kind, scripts_only=True)
    elif RULES[kind].right is not Right.RULE:
        check_kind(who, kind, scripts_only=True)


@pytest.mark.parametrize("owners", [{"ana"}, {"bob"}, {"ana", "bob"}, {""}, set()])
@pytest.mark.parametrize("who", ROLES.values(), ids=ROLES)
def test_a_user_manages_only_what_is_theirs_alone(who: Asker, owners: set[str]) -> None:
    if who in (MAIN, OPS) or owners == {who.name}:
        check_own(who, frozenset(owners), "it")
    else:
        with pytest.raises(DeniedError):
            check_own(who, frozenset(owners), "it")


def test_an_attempt_is_of_whom_the_controller_names_and_of_the_user_who_starts_it() -> None:
    assert (owner_of(MAIN, ""), owner_of(MAIN, "bob")) == ("", "bob")
    assert (owner_of(OPS, ""), owner_of(OPS, "bob")) == ("ops", "bob")
    assert (owner_of(ANA, ""), owner_of(ANA, "ana")) == ("ana", "ana")
    with pytest.raises(DeniedError):
        owner_of(ANA, "bob")


@pytest.mark.parametrize(
    ("who", "user", "uid", "good"),
    [
        (MAIN, None, 0, True),
        (OPS, "root", 0, True),
        (ANA, "ana", 1000, True),
        (ANA, "ana", 0, False),
        (ANA, None, 1000, False),
        (ANA, "bob", 1001, False),
        (ANA, "root", 0, False),
        (asker("root", "user"), "root", 0, False),
    ],
)
def test_a_user_works_only_as_themselves_and_never_as_root(
    who: Asker, user: str | None, uid: int, good: bool
) -> None:
    if good:
        check_user(who, user, uid)
    else:
        with pytest.raises(DeniedError):
            check_user(who, user, uid)


@pytest.mark.parametrize("path", ["/etc/shadow", "/proc/self/environ", "x", "workspace:j/x"])
def test_files_of_the_machine_are_for_those_who_rule_it(path: str) -> None:
    check_path(MAIN, path, scripts_only=False)
    for who, scripts_only in ((ANA, False), (ANA, True), (MAIN, True), (OPS, True)):
        with pytest.raises(DeniedError):
            check_path(who, path, scripts_only=scripts_only)
        check_path(who, "artifacts:j/x", scripts_only=scripts_only)


def managing(name: str, job: str) -> list[tuple[object, type]]:
    """Everything by which somebody manages an attempt or a job."""
    return [
        (attempts.PauseAttempt(attempt=name), Attempt),
        (attempts.ResumeAttempt(attempt=name), Attempt),
        (attempts.StopAttempt(attempt=name, grace=0.1), Attempt),
        (files.RemoveFile(job=job, path="x"), Done),
        (attempts.Discard(attempts=(name,)), Done),
        (attempts.Discard(attempts=(), job=job), Done),
    ]


def writing(name: str, job: str) -> list[object]:
    return [
        streams.OpenInput(attempt=name),
        streams.OpenUpload(purpose="workspace", job=job, path="x", size=1),
    ]


@pytest.mark.parametrize("owner", ["", "bob", "ops"])
async def test_a_user_sees_the_work_of_others_and_touches_none_of_it(
    room: Room, owner: str
) -> None:
    one = await room.start("echo said; cat", owner=owner, interactive=True)
    for message, kind in managing(one.id, room.job):
        with pytest.raises(DeniedError):
            await room.ask(message, kind, ANA)
    for opening in (
        *writing(one.id, room.job),
        streams.OpenWorkspace(job=room.job, path="x"),
        streams.OpenFile(path=f"workspace:{room.job}/x"),
        streams.OpenFile(path=HOST_FILE),
    ):
        with pytest.raises(DeniedError):
            await room.serve(opening, Line().give(b"x"), ANA)
    for path in (HOST_FILE, f"workspace:{room.job}/x"):
        with pytest.raises(DeniedError):
            await room.ask(files.GetSize(path=path), files.Size, ANA)
    assert (await room.ask(GetAttempt(attempt=one.id), Attempt, ANA)).phase == "running"
    page = await room.ask(ListAttempts(job=room.job), AttemptPage, ANA)
    assert [(brief.id, brief.owner) for brief in page.attempts] == [(one.id, owner)]
    assert (await room.ask(GetPool(), Pool, ANA)).running == 1
    await room.ask(files.ListArtifacts(job=room.job), files.FilePage, ANA)
    line = await room.serve(streams.OpenOutput(attempt=one.id), who=ANA)
    assert line.ended is not None


@pytest.mark.parametrize("who", [MAIN, OPS], ids=["controller", "admin"])
async def test_controllers_and_admins_manage_the_work_of_everybody(room: Room, who: Asker) -> None:
    one = await room.start("cat > $CTL_WORKSPACE/x; sleep 60", owner="bob", interactive=True)
    for opening in writing(one.id, room.job):
        await room.serve(opening, Line().give(b"x"), who)
    for message, kind in managing(one.id, room.job):
        try:
            await room.ask(message, kind, who)
        except MissingError:
            assert isinstance(message, files.RemoveFile)


async def test_a_user_starts_work_as_themselves_and_manages_it(room: Room) -> None:
    name = an_account()
    who = asker(name, "user", "mine")
    one = await room.start("id -un; cat; sleep 60", who, user=name, interactive=True)
    page = await room.ask(ListAttempts(job=room.job), AttemptPage)
    assert [brief.owner for brief in page.attempts] == [name]
    await room.serve(streams.OpenInput(attempt=one.id), Line().give(b"typed\n"), who)
    said = len(f"{name}\ntyped\n")
    while (await room.ask(GetAttempt(attempt=one.id), Attempt)).length < said:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await room.ask(attempts.PauseAttempt(attempt=one.id), Attempt, who)
    await room.ask(attempts.ResumeAttempt(attempt=one.id), Attempt, who)
    await room.ask(attempts.StopAttempt(attempt=one.id, grace=0.1), Attempt, who)
    assert await room.output(one.id) == f"{name}\ntyped\n".encode()
    put = streams.OpenUpload(purpose="workspace", job=room.job, path="a/b", size=2)
    await room.serve(put, Line().give(b"hi"), who)
    read = await room.serve(streams.OpenWorkspace(job=room.job, path="a/b"), who=who)
    assert read.taken == b"hi"
    await room.ask(attempts.Discard(attempts=(one.id,), job=room.job), Done, who)


def an_account() -> str:
    """An account that is not root's, which the agent can become."""
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    return pwd.getpwnam("nobody").pw_name


@pytest.mark.parametrize("user", [None, "root", "daemon", "no-such-user"])
async def test_a_user_starts_and_probes_nothing_as_anybody_else(
    room: Room, user: str | None
) -> None:
    who = asker(an_account(), "user", "mine")
    for message, kind in (
        (room.start_of("id", user=user), Attempt),
        (room.start_of("id", user=user, owner="root"), Attempt),
        (files.Probe(text=b"id", user=user), files.Probed),
        (RunScript(id="s.1", job="s", name="x", user=user), Attempt),
    ):
        with pytest.raises((DeniedError, ExecutionError)):
            await room.ask(message, kind, who)
    assert (await room.ask(ListAttempts(), AttemptPage)).attempts == ()
    probed = await room.ask(
        files.Probe(text=b"id -un", user=who.name, workdir="/"), files.Probed, who
    )
    assert probed.output.decode().strip() == who.name


async def test_a_user_cannot_get_into_the_job_of_another(room: Room) -> None:
    name = an_account()
    who = asker(name, "user", "mine")
    theirs = await room.run("echo secret > $CTL_WORKSPACE/x")
    with pytest.raises(DeniedError):
        await room.start("cat $CTL_WORKSPACE/x", who, user=name)
    await room.ask(attempts.Discard(attempts=(theirs.id,)), Done)
    await room.again()  # nothing but the folder is left
    with pytest.raises(DeniedError):
        await room.start("cat $CTL_WORKSPACE/x", who, user=name)


async def test_one_user_leaves_room_for_the_others(closed: Room) -> None:
    name = an_account()
    who = asker(name, "user", "mine")
    await closed.open(workers=1)
    first = await closed.start("sleep 60", who, user=name)
    for _ in range(MOST_OPEN - 1):
        await closed.apart("true", who=who, user=name)
    with pytest.raises(FullError):
        await closed.apart("true", who=who, user=name)
    other = await closed.start("true", job=f"{closed.job}-main", owner="")
    assert other.phase == "waiting"
    await closed.ask(attempts.StopAttempt(attempt=first.id, grace=0.1), Attempt, who)
    await closed.wait(other.id)
    assert (await closed.apart("true", who=who, user=name)).fresh


async def test_an_agent_of_scripts_runs_them_and_nothing_else(closed: Room, tmp_path: Path) -> None:
    scripts = trusted(tmp_path / "scripts")
    (scripts / "hello").write_text("#!/bin/sh\necho hello $1\n")
    (scripts / "hello").chmod(0o755)
    await closed.open(scripts=str(scripts), scripts_only=True)
    for who in (MAIN, OPS, ANA):
        for message in (closed.start_of("echo no"), files.Probe(text=b"echo no")):
            with pytest.raises(DeniedError):
                await closed.ask(message, Attempt, who)
        for purpose in ("start", "script", "workspace"):
            opening = streams.OpenUpload(purpose=purpose, job=closed.job, path="x")
            with pytest.raises(DeniedError):
                await closed.serve(opening, Line().give(b""), who)
        with pytest.raises(DeniedError):
            await closed.serve(streams.OpenFile(path=HOST_FILE), who=who)
    run = RunScript(id=f"{closed.job}.1", job=closed.job, name="hello", arguments=("you",))
    await closed.ask(run, Attempt)
    assert (await closed.wait(run.id)).exit_code == 0
    assert await closed.output(run.id) == b"hello you\n"
    claim = targets.ClaimTarget(
        project=closed.project, target="web", holder=HOLDER, expect=None, marker=b"x"
    )
    assert (await closed.ask(claim, targets.TargetClaim)).taken
    with pytest.raises(AgentError):
        await closed.ask(replace(run, id=f"{closed.job}.2", name="other", digest="0" * 64), Attempt)


def trusted(folder: Path) -> Path:
    """A folder that nobody else may write to, as those of pytest are."""
    folder.mkdir(mode=0o755)
    return folder
