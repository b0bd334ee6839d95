"""One way to reach a server, as the contract suite uses it: whatever the carrier, a test sees only this."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from controller.clock import SystemClock
from controller.model.ids import AttemptId, JobId
from controller.model.inventory import Agent, Carrier, Server
from controller.transport.agents.dialer import AgentDialer
from controller.transport.agents.listener import AgentListener
from controller.transport.agents.papers import Papers
from controller.transport.agents.pull_dialer import PullDialer
from controller.transport.local import LocalDialer
from controller.transport.port import AttemptSpec, AttemptStatus, Dialer, Session
from tests.fakes import processes
from tests.fakes.agent_process import HUB, NAME, AgentProcess
from tests.fakes.sshd import Sshd, dialer

HERE = Server(name="here", address="", carrier=Carrier.LOCAL)


@dataclass(slots=True, kw_only=True)
class Way:
    """A server, how to dial it, where its state lies seen from here, and how to cut the line."""

    server: Server
    base: Path
    dial: Callable[[], Dialer]
    cut: Callable[[], None]
    """Kill what carries the sessions, so that nobody says goodbye."""
    of_agent: bool = False
    """Whether an agent is there; it keeps attempts in a ledger, which tests leave alone."""
    dialers: list[Dialer] = field(default_factory=list)
    job: JobId = field(default_factory=lambda: JobId(f"j{secrets.token_hex(5)}"))
    project: str = field(default_factory=lambda: f"p{secrets.token_hex(5)}")
    count: int = 0

    async def open(self) -> Session:
        """Open a session by a dialer that shares nothing with those before."""
        self.dialers.append(self.dial())
        return await self.dialers[-1].open(self.server)

    def spec(self, text: bytes | str, **more: object) -> AttemptSpec:
        """Describe one more attempt of this test's job."""
        self.count += 1
        raw = text.encode() if isinstance(text, str) else text
        name = AttemptId(f"{self.job}.step.{self.count}")
        return AttemptSpec(id=name, job=self.job, text=raw, **more)  # type: ignore[arg-type]

    async def run(self, text: bytes | str, **more: object) -> tuple[AttemptStatus, bytes]:
        """Run to the end; give the status and all output."""
        session = await self.open()
        spec = self.spec(text, **more)
        await session.start(spec)
        ended = await session.wait(spec.id)
        return ended, await output_of(session, spec.id)

    def folder(self, attempt: AttemptId) -> Path:
        """Where an attempt keeps its files."""
        return self.base / "attempts" / attempt

    def running(self) -> list[int]:
        """The living processes of this test's attempts."""
        return processes.marked(f"CTL_MARK=:{self.job}.".encode())

    async def close(self) -> None:
        """End every dialer, kill what is left and leave no trace."""
        for one in self.dialers:
            await one.close()
        for pid in self.running():
            processes.send(pid, signal.SIGKILL)
        for folder in (self.base / "attempts").glob(f"{self.job}.*"):
            shutil.rmtree(folder, ignore_errors=True)
        for mount in Path("/proc/mounts").read_text().splitlines():  # noqa: ASYNC240 - never blocks
            if mount.split()[2] == "cgroup2":
                for group in Path(mount.split()[1], "ctl").glob(f"{self.job}.*"):  # noqa: ASYNC240
                    await processes.until(partial(killed, group))
        shutil.rmtree(self.base / "jobs" / self.job, ignore_errors=True)
        shutil.rmtree(self.base / self.project, ignore_errors=True)


def killed(group: Path) -> bool:
    """End and remove a cgroup, which may go by itself meanwhile; false while processes are left."""
    try:
        (group / "cgroup.kill").write_text("1")
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


async def output_of(session: Session, attempt: AttemptId, *, offset: int = 0) -> bytes:
    """Everything from an offset on, as it is there now; a gap fails."""
    data = b""
    async for chunk in session.output(attempt, offset=offset):
        assert chunk.gap == 0
        assert chunk.offset == offset + len(data)
        data += chunk.data
    return data


def agent_way(agent: AgentProcess) -> Way:
    """Reach an agent that listens."""

    def cut() -> None:
        agent.kill()
        agent.listen()

    return Way(
        server=Server(
            name=NAME, address="127.0.0.1", carrier=Carrier.AGENT, agent=Agent(port=agent.port)
        ),
        base=agent.base,
        dial=lambda: AgentDialer(
            Papers(agent.place.path, HUB), clock=SystemClock(), instance=new_instance
        ),
        cut=cut,
        of_agent=True,
    )


@asynccontextmanager
async def pull_way(agent: AgentProcess) -> AsyncIterator[Way]:
    """Have an agent dial a listener of this process."""
    listener = AgentListener(
        Papers(agent.place.path, HUB), clock=SystemClock(), instance=new_instance()
    )
    await listener.start("127.0.0.1", 0)

    def cut() -> None:
        agent.kill()
        agent.connect(listener.port)

    agent.connect(listener.port)
    try:
        yield Way(
            server=Server(name=NAME, address="", carrier=Carrier.PULL),
            base=agent.base,
            dial=lambda: PullDialer(listener, patience=30),
            cut=cut,
            of_agent=True,
        )
    finally:
        agent.kill()
        await listener.close()


def new_instance() -> str:
    """Give a word that no other peer has."""
    return secrets.token_hex(8)


def ssh_way(sshd: Sshd) -> Way:
    """Reach a server over ssh."""
    return Way(
        server=sshd.server,
        base=sshd.base,
        dial=lambda: dialer(sshd.key),
        cut=sshd.kill_sessions,
    )


@contextmanager
def local_way(folder: Path, shell: str) -> Iterator[Way]:
    """Reach this machine through a shell: `sh`, `dash`, `bash`, or `busybox` with nothing but its own tools."""
    environment = {**os.environ, "HOME": str(folder)}
    command = shell
    if shell == "busybox":
        environment["PATH"] = str(busybox_tools(folder / "bin"))
        command = str(folder / "bin" / "sh")
    root = os.geteuid() == 0
    before = set(processes.below(os.getpid()))

    def cut() -> None:
        for pid in set(processes.below(os.getpid())) - before:
            if processes.fields_of(pid)[1:2] == [str(os.getpid())]:
                processes.send(pid, signal.SIGKILL)

    yield Way(
        server=HERE,
        base=Path("/var/lib/ctl") if root else folder / ".local/state/ctl",
        dial=lambda: LocalDialer(environment=environment, shell=command),
        cut=cut,
    )


def busybox_tools(folder: Path) -> Path:
    """Make a folder of busybox's applets: a server that has nothing else."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    folder.mkdir()
    listed = subprocess.run([busybox, "--list"], capture_output=True, check=True, text=True)
    for name in listed.stdout.split():
        (folder / name).symlink_to(busybox)
    return folder
