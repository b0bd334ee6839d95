"""Scripts by name: what is run is what was named, where it comes from, and the report and the file that it leaves."""

import asyncio
import getpass
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from controller.agent.answering import Answers
from controller.agent.errors import AgentError, DeniedError, MissingError, ScriptError
from controller.agent.specs import Bodies, plan_script
from controller.execution.digest import attempt_digest
from controller.execution.errors import DigestError, ExecutionError, RefusedError
from controller.wire.messages.attempts import Attempt, Discard, RunScript, Start
from controller.wire.messages.files import FilePage, ListArtifacts
from controller.wire.messages.news import Changed, Reported
from controller.wire.messages.server import (
    Done,
    GetReport,
    Inspect,
    ListScripts,
    Report,
    ScriptPage,
    ScriptText,
)
from controller.wire.messages.streams import OpenFile
from tests.agent.answers_room import ANA, OPS, Room, asker, until

pytestmark = pytest.mark.real
HELLO = b'#!/bin/sh\n#::CTL::title=Say hello\necho hello "$1" from $CTL_SCRIPT\n'


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    write(folder, "hello", HELLO)
    return folder


@pytest.fixture
async def offering(closed: Room, scripts: Path) -> Room:
    await closed.open(scripts=str(scripts))
    return closed


def write(folder: Path, name: str, text: bytes) -> str:
    (folder / name).write_bytes(text)
    (folder / name).chmod(0o755)
    return hashlib.sha256(text).hexdigest()


def run_of(room: Room, name: str, **more: object) -> RunScript:
    room.count += 1
    words: dict[str, object] = {"id": f"{room.job}.{room.count}", "job": room.job, "name": name}
    return RunScript(**{**words, **more})  # type: ignore[arg-type]


async def ran(room: Room, name: str, **more: object) -> Attempt:
    asked = run_of(room, name, **more)
    assert (await room.ask(asked, Attempt)).fresh
    return await room.wait(asked.id)


async def report_of(room: Room, attempt: str) -> Report:
    return await room.ask(GetReport(attempt=attempt), Report)


async def test_scripts_are_listed_shown_and_run_with_a_report(offering: Room) -> None:
    page = await offering.ask(ListScripts(), ScriptPage)
    assert [(one.name, one.title) for one in page.scripts] == [("hello", "Say hello")]
    shown = await offering.ask(Inspect(name="hello"), ScriptText)
    assert (shown.text, shown.script) == (HELLO, page.scripts[0])
    ended = await ran(offering, "hello", arguments=("you and me",), digest=shown.script.sha256)
    assert await offering.output(ended.id) == b"hello you and me from hello\n"
    report = await report_of(offering, ended.id)
    assert (report.script, report.exit_code, report.job) == (shown.script, 0, offering.job)
    assert report.result == b"hello you and me from hello\n"
    assert (report.started_at, report.ended_at) == (ended.started_at, ended.ended_at)
    assert report.headers == {"title": "Say hello"}


async def test_another_script_than_was_named_does_not_run(offering: Room) -> None:
    with pytest.raises(ScriptError, match="SHA-256"):
        await ran(offering, "hello", digest="0" * 64)
    for name in ("none", "../hello", "/bin/true", "", ".", "hel lo", "a/b"):
        with pytest.raises(ScriptError):
            await ran(offering, name)


async def test_an_edit_takes_effect_and_a_bad_script_does_not_run(
    offering: Room, scripts: Path
) -> None:
    write(scripts, "hello", b"echo anew")
    ended = await ran(offering, "hello")
    assert await offering.output(ended.id) == b"anew\n"
    (scripts / "hello").chmod(0o777)
    with pytest.raises(ScriptError, match="written to by others"):
        await ran(offering, "hello")
    (scripts / "link").symlink_to("/bin/true")
    with pytest.raises(ScriptError, match="link"):
        await ran(offering, "link")


async def test_a_folder_that_others_can_write_to_begins_no_agent(
    closed: Room, scripts: Path
) -> None:
    loosen(scripts)
    with pytest.raises(AgentError, match="written to by others"):
        await closed.open(scripts=str(scripts))
    closed.answers = None


def loosen(folder: Path) -> None:
    folder.chmod(0o777)


class Controller:
    """Has scripts, and counts how often each was fetched."""

    def __init__(self, *texts: bytes) -> None:
        self.texts = {hashlib.sha256(text).hexdigest(): text for text in texts}
        self.asked: list[str] = []

    async def fetch(self, sha256: str) -> AsyncIterator[bytes]:
        self.asked.append(sha256)
        text = self.texts[sha256]
        for at in range(0, len(text), 10):
            await asyncio.sleep(0)
            yield text[at : at + 10]


async def test_a_script_of_the_controller_is_fetched_once_and_summed_up(offering: Room) -> None:
    text = b"#!/bin/sh\n#::CTL::title=Theirs\necho theirs"
    there = Controller(text)
    (digest,) = there.texts
    for _ in range(2):
        asked = run_of(offering, "theirs", digest=digest)
        await offering.ask(asked, Attempt, fetch=there.fetch)
        await offering.wait(asked.id)
        assert await offering.output(asked.id) == b"theirs\n"
        assert (await report_of(offering, asked.id)).script.title == "Theirs"
    assert there.asked == [digest]
    kept = offering.folder / "state" / "scripts" / digest
    kept.write_bytes(b"echo forged")
    asked = run_of(offering, "theirs", digest=digest)
    await offering.ask(asked, Attempt, fetch=there.fetch)
    await offering.wait(asked.id)
    assert await offering.output(asked.id) == b"theirs\n"
    assert there.asked == [digest, digest]


async def test_what_a_controller_sends_must_be_what_it_named(offering: Room) -> None:
    there = Controller()
    there.texts["1" * 64] = b"echo other"
    there.texts["2" * 64] = b"x" * ((4 << 20) + 1)
    for digest, words in (("1" * 64, "SHA-256"), ("2" * 64, "more than"), ("../x", "no SHA-256")):
        with pytest.raises(ScriptError, match=words):
            await offering.ask(run_of(offering, "x", digest=digest), Attempt, fetch=there.fetch)
    with pytest.raises(ScriptError, match="no script"):
        await offering.ask(run_of(offering, "x", digest="3" * 64), Attempt)


async def test_an_agent_of_scripts_fetches_none(closed: Room, scripts: Path) -> None:
    await closed.open(scripts=str(scripts), scripts_only=True)
    there = Controller(b"echo theirs")
    (digest,) = there.texts
    with pytest.raises(DeniedError, match="nothing but the scripts it offers"):
        await closed.ask(run_of(closed, "theirs", digest=digest), Attempt, fetch=there.fetch)
    assert there.asked == []


async def test_an_agent_of_scripts_that_is_told_to_fetches_those_of_controllers_alone(
    closed: Room, scripts: Path
) -> None:
    await closed.open(scripts=str(scripts), scripts_only=True, scripts_from_controller=True)
    there = Controller(b"echo theirs")
    (digest,) = there.texts
    for who in (OPS, ANA):
        asked = run_of(closed, "theirs", digest=digest, user=who.name)
        with pytest.raises((DeniedError, RefusedError)):
            await closed.ask(asked, Attempt, who, fetch=there.fetch)
    assert there.asked == []
    asked = run_of(closed, "theirs", digest=digest)
    await closed.ask(asked, Attempt, fetch=there.fetch)
    await closed.wait(asked.id)
    assert await closed.output(asked.id) == b"theirs\n"
    with pytest.raises(DeniedError):
        await closed.ask(Start(id="x.1", job="x", text=b"echo any"), Attempt)


async def test_the_folder_wins_over_what_a_controller_would_send(offering: Room) -> None:
    there = Controller(b"echo theirs")
    (digest,) = there.texts
    with pytest.raises(ScriptError, match="its SHA-256 is"):
        await offering.ask(run_of(offering, "hello", digest=digest), Attempt, fetch=there.fetch)
    assert there.asked == []


async def test_a_user_neither_sends_a_script_nor_runs_what_was_sent_before(offering: Room) -> None:
    there = Controller(b"echo theirs")
    (digest,) = there.texts
    asked = run_of(offering, "theirs", digest=digest)
    await offering.ask(asked, Attempt, fetch=there.fetch)
    await offering.wait(asked.id)
    ana = asker(getpass.getuser(), "user", "four")
    offers = cast("Answers", offering.answers)._offers
    with pytest.raises(DeniedError, match="controllers and admins only"):
        await refusing(offers.take(ana, "theirs", digest, there.fetch))
    assert there.asked == [digest]


async def refusing(taking: Awaitable[object]) -> None:
    """Await what is to be refused, and tell its hint as well."""
    try:
        await taking
    except DeniedError as error:
        raise DeniedError(f"{error.message} {error.hint}") from error


async def test_a_script_without_end_and_one_that_never_comes_are_given_up(
    offering: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    async def endless(_: str) -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield bytes(1 << 16)

    with pytest.raises(ScriptError, match="more than"):
        await offering.ask(run_of(offering, "x", digest="4" * 64), Attempt, fetch=endless)
    assert sent <= (4 << 20) + (1 << 16)

    async def mute(_: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b""

    monkeypatch.setattr("controller.agent.offers.WITHIN", 0.1)
    with pytest.raises(ScriptError, match="more than 0 s"):
        await offering.ask(run_of(offering, "x", digest="4" * 64), Attempt, fetch=mute)
    ended = await ran(offering, "hello")
    assert ended.exit_code == 0


async def test_what_was_planned_of_a_script_is_what_runs(offering: Room) -> None:
    shown = await offering.ask(Inspect(name="hello"), ScriptText)
    digest = shown.script.sha256
    asked = run_of(offering, "hello", digest=digest, arguments=("a",), salt=b"s" * 16)
    planned = attempt_digest(plan_script(asked, Bodies()))
    for change in (
        {"arguments": ("b",)},
        {"env": {"A": "1"}},
        {"digest": ""},
        {"user": "nobody"},
        {"salt": b"t" * 16, "env": {"A": "1"}},
        {"stdin": b"x"},
    ):
        other = replace(asked, attempt_digest=planned, **change)
        with pytest.raises(DigestError, match="planned"):
            await offering.ask(other, Attempt)
    assert (await offering.ask(replace(asked, attempt_digest=planned), Attempt)).fresh
    assert (await offering.wait(asked.id)).exit_code == 0


@pytest.mark.parametrize("place", ["$CTL_ARTIFACTS/", "$CTL_WORKSPACE/sub/", "OUTSIDE/"])
async def test_the_file_of_a_result_is_among_the_artifacts(
    offering: Room, scripts: Path, tmp_path: Path, place: str
) -> None:
    outside = place == "OUTSIDE/"
    named = (
        f"{tmp_path}/report.txt" if outside else ("sub/" if "sub" in place else "") + "report.txt"
    )
    into = f"{tmp_path}/" if outside else place
    text = f"#!/bin/sh\n#::CTL::result-type=file\n#::CTL::file-name={named}\nmkdir -p {into}; seq 1 400000 > {into}report.txt\n"
    write(scripts, "make", text.encode())
    ended = await ran(offering, "make")
    report = await report_of(offering, ended.id)
    assert (report.message, report.artifact) == ("", "report.txt")
    line = await offering.serve(OpenFile(path=f"artifacts:{offering.job}/{report.artifact}"))
    assert bytes(line.taken) == b"".join(b"%d\n" % n for n in range(1, 400_001))


@pytest.mark.parametrize("made", ["ln -s /etc/shadow", "ln /etc/hostname", "mkfifo", "mkdir", ":"])
async def test_a_result_that_is_no_file_of_its_user_is_not_taken(
    offering: Room, scripts: Path, made: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    path = f"/tmp/{offering.job}.result"
    text = f"#!/bin/sh\n#::CTL::result-type=file\n#::CTL::file-name={path}\n{made} {path} 2>/dev/null; exit 0\n"
    write(scripts, "make", text.encode())
    try:
        asked = run_of(offering, "make", user="nobody", workdir="/")
        await offering.ask(asked, Attempt)
        await asyncio.wait_for(offering.wait(asked.id), 10)
        report = await asyncio.wait_for(report_of(offering, asked.id), 10)
    finally:
        remove(Path(path))
    assert (report.artifact, "there is no file" in report.message) == ("", True)
    assert (await offering.ask(ListArtifacts(job=offering.job), FilePage)).files == {}


def remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


async def test_a_report_is_made_even_when_the_agent_ended_meanwhile(
    offering: Room, scripts: Path
) -> None:
    write(scripts, "slow", b"sleep 0.4; echo late; exit 3")
    asked = run_of(offering, "slow")
    await offering.ask(asked, Attempt)
    await offering.close()
    await asyncio.sleep(0.6)
    answers = await offering.open()
    await until(lambda: any(isinstance(one, Reported) for one in answers.unnoted()))
    report = await report_of(offering, asked.id)
    assert (report.exit_code, report.result, report.script.name) == (3, b"late\n", "slow")
    kinds = [type(one) for one in answers.unnoted()]
    assert kinds == [Reported, Changed]


async def test_what_is_no_script_or_was_discarded_has_no_report(offering: Room) -> None:
    plain = await offering.run("true")
    with pytest.raises(MissingError):
        await report_of(offering, plain.id)
    ended = await ran(offering, "hello")
    await offering.ask(Discard(attempts=(ended.id,)), Done)
    with pytest.raises(MissingError):
        await report_of(offering, ended.id)
    with pytest.raises(ExecutionError):
        await report_of(offering, "../x")


async def test_a_flood_of_a_script_is_cut_in_its_report(offering: Room, scripts: Path) -> None:
    write(scripts, "flood", b"#!/bin/sh\nseq 1 2000000\n")
    ended = await ran(offering, "flood")
    report = await report_of(offering, ended.id)
    assert len(report.result) == 512 << 10
    assert str(ended.length) in report.message
