"""Deliveries as steps of a job, on real servers: recorded, marked, taken up again, and no secret left behind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.jobs.marker import decode_marker
from controller.model.declaration import RefKind, Repo
from controller.model.files import SECRET_CLOSE, SECRET_OPEN, CheckoutWork, FileKind, FileWork
from controller.model.ids import Sha
from controller.model.job import State
from controller.model.work import StepKind, StepWork, Work
from controller.source.access import Credentials
from controller.source.mirrors import Mirrors
from controller.store.sqlite import open_store
from controller.transport import loopback
from controller.transport.looking import Wanted, look
from tests.fakes.repositories import Repository
from tests.fakes.sshd import Sshd, dialer, start_sshd
from tests.jobs.place import Place
from tests.jobs.rig import digest

pytestmark = pytest.mark.real

CHECKOUT = StepWork(name="_checkout", text="", kind=StepKind.CHECKOUT)
FILES = StepWork(name="_files", text="", kind=StepKind.FILES, needs=("_checkout",))
ALONE = StepWork(name="_files", text="", kind=StepKind.FILES)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "home").mkdir()
    store = open_store(tmp_path / "state", clock=SystemClock())
    made = Place(tmp_path, store, {"db": "hunter2secret"})
    yield made
    await store.close()
    made.clean_up()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    server = start_sshd(tmp_path / "sshd")
    yield server
    server.loopback.stop()


@pytest.fixture
def there(here: Place, sshd: Sshd) -> Place:
    here.server, here.there, here.dial = sshd.server, sshd.base, lambda: dialer(sshd.key)
    return here


@pytest.fixture(params=["here", "there"])
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.getfixturevalue(str(request.param))
    return made


def secret_file(folder: Path) -> FileWork:
    content = b"password = " + SECRET_OPEN + b"db" + SECRET_CLOSE + b"\n"
    return FileWork(path=str(folder / "app.conf"), content=content, secrets=("db",), mode="0600")


async def test_a_tree_and_files_are_delivered_before_the_steps_and_seen_afterwards(
    place: Place, tmp_path: Path
) -> None:
    origin = Repository(tmp_path / "origin")
    sha = origin.commit({"run.sh": "echo from the tree\n", "data": b"\x00\xff" * 5000})
    repo = Repo(name="shop", url=origin.url, kind=RefKind.BRANCH, ref="main")
    mirrors = Mirrors(tmp_path / "mirrors")
    await mirrors.look(repo, Credentials(), accepted=None, signers=None)
    place.archives[sha] = await mirrors.archive(repo, sha)
    srv, etc = tmp_path / "srv", tmp_path / "etc"
    binary = FileWork(path=str(etc / "logo"), content=bytes(range(256)) * 40)
    run = StepWork(
        name="run",
        text=f"cat {srv}/app/REVISION {etc}/app.conf; sh {srv}/app/run.sh",
        needs=("_files",),
    )
    engine, reach = place.engine()
    files = (secret_file(etc), binary)
    checkout = CheckoutWork(path=str(srv / "app"))
    job = await place.submit(
        engine, CHECKOUT, FILES, run, commit=sha, repo=repo, files=files, checkout=checkout
    )
    (done,) = (await engine.drive(job.run)).jobs
    assert done.state is State.SUCCEEDED, done
    assert await place.text(done, "run") == (
        f"{sha}\npassword = *************\nfrom the tree\n".encode()
    )
    assert (await place.text(done, "_files")).decode().splitlines() == [
        f"made the folder {etc}",
        f"written {etc}/app.conf (new)",
        f"written {etc}/logo (new)",
    ]
    marker = decode_marker(place.marker(), target="shop", server=place.server.name)
    session = await reach.open(place.server)
    work = Work(task="deploy", digest=job.digest, files=files, checkout=checkout)
    seen = await look(
        session,
        [Wanted(target="shop", work=work, key=marker.key)],
        keyed=lambda key, value: digest(key + value),
        at=SystemClock().now(),
    )
    await session.close()
    await reach.close()
    conf, logo = (seen["shop"].files[file.path] for file in files)
    assert conf.digest == marker.files[conf.path]
    assert (conf.kind, conf.mode, logo.kind, logo.mode) == (
        FileKind.FILE,
        "0600",
        FileKind.FILE,
        "0644",
    )
    assert seen["shop"].checkout is not None
    assert seen["shop"].checkout.commit == sha


async def test_a_secret_is_nowhere_but_in_its_file(place: Place, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    engine, reach = place.engine()
    slow = StepWork(name="slow", text="sleep 1", needs=("_files",))
    job = await place.submit(engine, ALONE, slow, files=(secret_file(etc),))
    driving = asyncio.create_task(engine.drive(job.run))
    for _ in range(200):
        seen = await place.store.jobs.get(job.id)
        if seen is not None and seen.steps[1].state is State.RUNNING:
            break
        await asyncio.sleep(0.05)
    spools = (*place.base.glob(f"attempts/{job.id}.*"), place.base / "jobs" / job.id)
    assert len(spools) == 3
    assert holders(tmp_path, *spools) == [etc / "app.conf"]
    (done,) = (await driving).jobs
    await reach.close()
    assert done.state is State.SUCCEEDED, done
    assert holders(tmp_path, *spools) == [etc / "app.conf"]


def holders(*folders: Path) -> list[Path]:
    """Every file below some folders that holds the secret."""
    files = {file for folder in folders for file in folder.rglob("*") if file.is_file()}
    return sorted(file for file in files if b"hunter2secret" in file.read_bytes())


async def test_a_refused_delivery_fails_its_job_and_says_why(here: Place, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    (etc / "app.conf").mkdir(parents=True)
    engine, reach = here.engine()
    after = StepWork(name="after", text="true", needs=("_files",))
    job = await here.submit(engine, ALONE, after, files=(secret_file(etc),))
    (done,) = (await engine.drive(job.run)).jobs
    await reach.close()
    assert (done.state, done.reason) == (State.FAILED, "step files is failed")
    assert done.steps[1].state is State.SKIPPED
    assert await here.text(done, "_files") == (
        f"cannot deliver {etc}/app.conf: it is a folder\n".encode()
    )


async def test_a_tree_that_is_none_fails_the_step(here: Place) -> None:
    repo = Repo(name="shop", url="file:///x", kind=RefKind.BRANCH, ref="main")
    sha = Sha("1" * 40)
    here.archives[sha] = b""
    engine, reach = here.engine()
    checkout = CheckoutWork(path=str(here.home / "app"))
    job = await here.submit(engine, CHECKOUT, commit=sha, repo=repo, checkout=checkout)
    (done,) = (await engine.drive(job.run)).jobs
    await reach.close()
    assert done.state is State.FAILED
    assert b"cannot deliver" in await here.text(done, "_checkout")
    assert not (here.home / "app").exists()
