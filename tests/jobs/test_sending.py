"""What is sent for each kind of step, and steps that are sent again after they were cut off."""

import hashlib
from dataclasses import replace

import pytest

from controller.errors import DeclarationError, SecretError
from controller.model.declaration import RefKind, Repo
from controller.model.files import SECRET_CLOSE, SECRET_OPEN, CheckoutWork, FileWork
from controller.model.ids import RunId, Sha
from controller.model.job import Job, JobBody, State
from controller.model.work import StepKind, StepWork
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig, step

FILES = StepWork(name="_files", text="", kind=StepKind.FILES)
CHECKOUT = StepWork(name="_checkout", text="", kind=StepKind.CHECKOUT)
CONFIRM = StepWork(name="_confirm", text="restore", kind=StepKind.CONFIRM, timeout=60.0)
COMMIT = Sha("12" * 20)
REPO = Repo(name="shop", url="https://example.com/shop.git", kind=RefKind.BRANCH, ref="main")
SECRET = FileWork(
    path="/etc/app", content=b"pw=" + SECRET_OPEN + b"db" + SECRET_CLOSE, secrets=("db",)
)


async def sent(rig: Rig, job: Job, body: JobBody) -> dict[str, AttemptSpec]:
    """Run a job, and give what was sent by name of step."""
    seen: dict[str, AttemptSpec] = {}

    def watch(_server: str, spec: AttemptSpec) -> Program:
        seen[spec.id.split(".")[1]] = spec
        return Program()

    rig.fleet.behaviour = watch
    await rig.run((job, body))
    return seen


async def test_secrets_of_files_travel_on_standard_input_only() -> None:
    rig = Rig(secrets={"db": "hunter2secret", "env": "other-secret"})
    job, body = rig.job((FILES, step("x", "_files")), files=(SECRET,), secrets={"ENV": "env"})
    spec = (await sent(rig, job, body))["_files"]
    assert spec.stdin == b"pw=hunter2secret"
    assert b"hunter2" not in spec.text
    assert not {"hunter2secret", "other-secret"} & set(spec.env.values())
    assert rig.activity.lines
    assert "hunter2" not in str(rig.activity.lines)


async def test_deliveries_begin_as_the_login_and_get_no_variables_of_the_task() -> None:
    rig = Rig()
    rig.archives[COMMIT] = b"a tar"
    job, body = rig.job(
        (CHECKOUT, FILES, step("x")),
        files=(FileWork(path="/etc/app", content=b"1"),),
        checkout=CheckoutWork(path="/srv/app"),
        user="deploy",
        workdir="/srv",
        env={"PATH": "/odd"},
    )
    specs = await sent(rig, replace(job, commit=COMMIT), replace(body, repo=REPO))
    assert [specs[name].user for name in ("_checkout", "_files", "x")] == [None, None, "deploy"]
    assert [specs[name].workdir for name in ("_checkout", "_files", "x")] == [None, None, "/srv"]
    assert specs["x"].env["PATH"] == "/odd"
    for name in ("_checkout", "_files"):
        assert "PATH" not in specs[name].env
        assert specs[name].env["CTL_JOB"] == job.id
        assert b"deploy" in specs[name].text
    assert specs["_checkout"].stdin == b"a tar"
    assert f"{COMMIT[:12]}-{job.id}".encode() in specs["_checkout"].text


async def test_what_undoes_a_change_outlives_all_other_steps() -> None:
    rig = Rig(secrets={"db": "hunter2secret"})
    job, body = rig.job((CONFIRM, step("x")), timeout=500.0, secrets={"DB": "db"})
    spec = (await sent(rig, job, body))["_confirm"]
    assert spec.timeout > 560
    assert spec.stdin == b"restore"
    assert spec.env["DB"] == "hunter2secret"
    assert b"guard 60" in spec.text


async def test_standard_input_goes_to_the_first_step_of_the_person() -> None:
    rig = Rig()
    seen: dict[str, bytes] = {}

    def watch(_server: str, spec: AttemptSpec) -> Program:
        seen[spec.id.split(".")[1]] = spec.stdin
        return Program()

    rig.fleet.behaviour = watch
    files = (FileWork(path="/etc/app", content=b"1"),)
    job, body = rig.job((FILES, step("x", "_files"), step("y", "x")), files=files)
    engine = await rig.submit((job, replace(body, fed=True)))
    await engine.drive(RunId("run1"), stdin=b"typed")
    assert seen == {"_files": b"1", "x": b"typed", "y": b""}


async def test_a_secret_of_a_file_that_cannot_be_read_refuses_the_run() -> None:
    rig = Rig()
    with pytest.raises(SecretError):
        await rig.submit(rig.job((FILES,), files=(SECRET,)))
    assert await rig.store.runs.list() == ()


@pytest.mark.parametrize("commit", [None, COMMIT])
async def test_a_tree_that_cannot_be_delivered_refuses_the_run(commit: Sha | None) -> None:
    rig = Rig()
    job, body = rig.job((CHECKOUT,), checkout=CheckoutWork(path="/srv/app"))
    with pytest.raises(DeclarationError, match="cannot"):
        await rig.submit((replace(job, commit=commit), replace(body, repo=REPO)))
    assert await rig.store.runs.list() == ()


def reboot_under(rig: Rig, name: str, times: int, *, marker: bytes | None = None) -> None:
    """Let the server reboot under so many tries of a step; after it somebody else leaves a marker there."""
    tries, machine = list[str](), rig.fleet.machine("web-1")

    def behave(_server: str, spec: AttemptSpec) -> Program:
        ours = spec.id.split(".")[1] == name
        tries.extend([spec.id] if ours else [])
        return Program(seconds=50) if ours else Program()

    def reboot(_server: str, what: str, before: bool) -> None:
        if what == "output" and before and machine.boot == len(tries) <= times:
            rig.fleet.reboot("web-1")
            if marker is not None:
                machine.markers["main", "shop"] = marker
                machine.locks.clear()

    rig.fleet.behaviour, rig.fleet.disturb = behave, reboot


async def interrupted(rig: Rig, one: StepWork, times: int) -> Job:
    """Run a job of two steps on a server that reboots under the first tries of the first one."""
    reboot_under(rig, one.name, times)
    (job,) = await rig.run(rig.job((one, step("after", one.name))))
    return job


async def test_an_idempotent_step_is_sent_again_after_a_reboot() -> None:
    rig = Rig()
    job = await interrupted(rig, step("one", idempotent=True), 2)
    assert job.state is State.SUCCEEDED, job
    assert [a.state for a in job.steps[0].attempts] == [
        State.INTERRUPTED,
        State.INTERRUPTED,
        State.SUCCEEDED,
    ]
    assert set(rig.fleet.starts.values()) == {1}
    assert rig.fleet.machine("web-1").locks == {}


async def test_a_step_that_is_not_idempotent_is_not() -> None:
    rig = Rig()
    job = await interrupted(rig, step("one"), 1)
    assert job.state is State.INTERRUPTED
    assert len(job.steps[0].attempts) == 1
    assert job.steps[1].state is State.SKIPPED


async def test_a_delivery_is_idempotent_by_itself() -> None:
    rig = Rig()
    assert (await interrupted(rig, FILES, 1)).state is State.SUCCEEDED


async def test_a_step_that_reboots_its_server_each_time_is_not_sent_for_ever() -> None:
    job = await interrupted(Rig(), step("one", idempotent=True), 100)
    assert job.state is State.INTERRUPTED
    assert len(job.steps[0].attempts) == 4


async def test_after_a_reboot_nothing_is_sent_over_the_work_of_somebody_else() -> None:
    rig = Rig()

    reboot_under(rig, "one", 1, marker=b"{}")
    (job,) = await rig.run(rig.job((step("one", idempotent=True),)))
    assert job.state is State.INTERRUPTED
    assert len(job.steps[0].attempts) == 1


async def test_the_digest_of_a_delivered_secret_is_keyed() -> None:
    rig = Rig(secrets={"db": "pw"})
    await rig.run(rig.job((FILES,), files=(SECRET,)))
    record = await rig.record()
    assert record is not None
    plain = hashlib.sha256(b"pw=pw").hexdigest()
    assert plain not in record.files.values()
    assert set(record.files) == {"/etc/app"}
