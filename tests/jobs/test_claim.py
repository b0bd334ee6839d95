"""What stands in marker and record when a job has ended: files, removal, renames."""

from dataclasses import replace

from controller.jobs.marker import encode_marker, marker_digest
from controller.model.applied import Applied
from controller.model.declaration import OnRemove
from controller.model.files import SECRET_CLOSE, SECRET_OPEN, FileWork
from controller.model.ids import Digest, RunId
from controller.model.job import Job, JobBody, State
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.work import Work
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig, chain, digest

UNDO = Work(task="clean-up", digest=digest("u"), steps=chain("wipe"))


async def place_marker(rig: Rig, target: str, **fields: object) -> Digest:
    """Let a target have been applied on web-1, in a marker that was seen, and in the records."""
    record = Applied(target=target, server="web-1", applied=digest("old"), key="cd" * 32)
    record = replace(record, **fields)  # type: ignore[arg-type]
    content = encode_marker(record)
    rig.fleet.machine("web-1").markers["main", target] = content
    seen = MarkerSeen(record=record, sha256=marker_digest(content))
    await rig.store.observations.put_servers(
        [ServerSeen(server="web-1", at=rig.clock.now(), reached=True, markers={target: seen})]
    )
    await rig.store.records.put([record])
    return seen.sha256


async def test_what_its_removal_needs_stands_in_marker_and_record() -> None:
    rig = Rig(secrets={"db": "hunter2"})
    content = b"pw=" + SECRET_OPEN + b"db" + SECRET_CLOSE
    files = (
        FileWork(path="/etc/app", content=content, secrets=("db",)),
        FileWork(path="/etc/plain", content=b"x"),
    )
    job, body = rig.job(files=files)
    body = replace(body, undo=UNDO, on_remove=OnRemove.RUN, protect=True)
    (done,) = await rig.run((job, body))
    assert done.state is State.SUCCEEDED
    marker, record = rig.marker(), (await rig.store.records.all())["shop", "web-1"]
    assert marker is not None
    assert (marker.on_remove, marker.protect, marker.undo) == (OnRemove.RUN, True, UNDO)
    assert marker.files == {"/etc/app": digest("ab" * 32 + digest("pw=hunter2"))}
    assert record == replace(marker, connection=body.server)


async def removal(rig: Rig) -> tuple[Job, JobBody]:
    expect = await place_marker(rig, "shop", undo=UNDO, on_remove=OnRemove.RUN)
    job, body = rig.job(chain("wipe"), inputs="u", expect=expect)
    return job, replace(body, removes=True)


async def test_an_undo_that_ends_well_deletes_marker_and_record() -> None:
    rig = Rig()
    (done,) = await rig.run(await removal(rig))
    assert done.state is State.SUCCEEDED
    assert rig.marker() is None
    assert await rig.record() is None
    assert rig.fleet.machine("web-1").locks == {}


async def test_an_undo_that_fails_keeps_what_is_needed_to_do_it_again() -> None:
    rig = Rig(lambda _s, _p: Program(exit_code=1))
    (done,) = await rig.run(await removal(rig))
    assert done.state is State.FAILED
    marker = rig.marker()
    assert marker is not None
    assert marker.undo == UNDO
    assert marker.applied == digest("old")
    assert marker.tried is not None
    assert marker.tried.state is State.FAILED


async def test_an_undo_whose_end_was_not_recorded_is_not_done_twice() -> None:
    rig = Rig()
    job, body = await removal(rig)
    engine = await rig.submit((job, body))

    def fall(_server: str, what: str, before: bool) -> None:
        if what == "release_target" and not before:
            rig.fleet.lay_down("web-1")

    rig.fleet.disturb = fall
    await engine.drive(RunId("run1"))
    assert rig.marker() is None
    rig.fleet.disturb = lambda _s, _w, _b: None
    rig.fleet.stand_up("web-1")
    (done,) = (await rig.engine().settle()).jobs
    assert done.state is State.SUCCEEDED, done
    assert await rig.record() is None
    assert set(rig.fleet.starts.values()) == {1}


async def test_a_renamed_target_takes_its_record_along() -> None:
    rig = Rig()
    await place_marker(rig, "store", key="cd" * 32)
    job, body = rig.job()
    (done,) = await rig.run((job, replace(body, was=("store", "web-1"))))
    assert done.state is State.SUCCEEDED
    marker = rig.marker()
    assert marker is not None
    assert (marker.target, marker.key) == ("shop", "cd" * 32)
    assert rig.marker(target="store") is None
    assert set(await rig.store.records.all()) == {("shop", "web-1")}


async def test_a_renamed_target_that_fails_keeps_the_earlier_name() -> None:
    rig = Rig(lambda _s, _p: Program(exit_code=1))
    await place_marker(rig, "store")
    job, body = rig.job()
    await rig.run((job, replace(body, was=("store", "web-1"))))
    assert rig.marker(target="store") is not None
    assert ("store", "web-1") in await rig.store.records.all()


async def test_an_earlier_marker_that_somebody_changed_meanwhile_stays() -> None:
    def meddle(_server: str, _spec: AttemptSpec) -> Program:
        rig.fleet.machine("web-1").markers["main", "store"] = b"{}"
        return Program()

    rig = Rig(meddle)
    await place_marker(rig, "store")
    job, body = rig.job()
    (done,) = await rig.run((job, replace(body, was=("store", "web-1"))))
    assert done.state is State.SUCCEEDED
    assert rig.fleet.machine("web-1").markers["main", "store"] == b"{}"


async def test_a_renamed_server_keeps_its_marker_and_loses_its_old_record() -> None:
    rig = Rig()
    expect = await place_marker(rig, "shop")
    await rig.store.records.put([Applied(target="shop", server="web-0", applied=digest("old"))])
    job, body = rig.job(expect=expect)
    (done,) = await rig.run((job, replace(body, was=("shop", "web-0"))))
    assert done.state is State.SUCCEEDED
    assert rig.marker() is not None
    assert set(await rig.store.records.all()) == {("shop", "web-1")}
