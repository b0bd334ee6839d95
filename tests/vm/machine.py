"""A virtual server with systemd as its first process: started, entered by ssh, cut from power, thrown away.

Emulated by software alone, so it runs wherever qemu does, slowly; everything is bounded. Its network is this machine's
loopback and nothing else. The image is never written to: what a machine changes lies in a folder of its own. Tests take one
from `conftest`; it calls `image` and `monitor`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.vm.image import Image
from tests.vm.monitor import Monitor

BOOT = 400.0
"""Seconds from power on to sshd's first word, at most; about 60 on an idle machine."""
COMMAND = 120.0
PATIENCE = 150.0
"""Seconds for what takes one on a real machine, on one that is emulated on a machine that is busy."""
MEMORY = "1G"
PROCESSORS = "2"
READY = "ready"
KERNEL = "root=/dev/vda rootfstype=ext4 rw console=ttyS0 quiet mitigations=off nokaslr systemd.show_status=0 panic=1"
SEEN = 4000
"""Characters of the console shown with a machine that does not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command on the machine did."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """What it said, if it went well."""
        assert self.code == 0, f"exit {self.code}: {self.out[-2000:]!r} {self.err[-2000:]!r}"
        return self.out.decode()


class MachineError(Exception):
    """The machine does not do what a machine does."""


class Machine:
    """One virtual server.

    Args:
        image: what it starts from.
        folder: for its disk and console; it must be empty.
    """

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.ports = {name: free_port() for name in ("ssh", "agent")}
        self._sockets = Path(tempfile.mkdtemp(prefix="vm-"))  # paths of sockets must be short
        self._qemu: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None

    @property
    def known_hosts(self) -> str:
        """Its host key, as a line for a file of known hosts."""
        return f"[127.0.0.1]:{self.ports['ssh']} {self.image.host_key}\n"

    @property
    def console(self) -> str:
        """What it said on its serial line."""
        place = self.folder / "console"
        return place.read_text(errors="replace") if place.exists() else ""

    def start(self) -> None:
        """Turn it on, and wait until it lets people in.

        A second machine of an image goes on from where the first was ready, which saves the boot.
        """
        disk = self.folder / "disk.qcow2"
        kept = self.image.folder / "ready.qcow2"
        base = ("-F", "raw", "-b", str(self.image.disk))
        if kept.exists():
            shutil.copy(kept, disk)
            _tool("qemu-img", "rebase", "-u", "-f", "qcow2", *base, str(disk))  # wherever it lay
            self._power("-loadvm", READY)
            self.set_clock()
            return
        _tool("qemu-img", "create", "-q", "-f", "qcow2", *base, str(disk))
        self._power()
        self._monitor_now.human(f"savevm {READY}")
        fresh = kept.with_suffix(".new")
        shutil.copy(disk, fresh)
        fresh.rename(kept)

    def _power(self, *more: str) -> None:
        place = self._sockets / "monitor"
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{self.ports[name]}-10.0.2.15:{port}"
            for name, port in (
                ("ssh", 22),
                ("agent", self.ports["agent"]),
            )  # the same there as here
        )
        words = [
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi,tb-size=256",
            "-machine",
            "q35",
            "-cpu",
            "max",
        ]
        words += [
            "-m",
            MEMORY,
            "-smp",
            PROCESSORS,
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ]
        words += [
            "-kernel",
            str(self.image.kernel),
            "-initrd",
            str(self.image.initrd),
            "-append",
            KERNEL,
        ]
        words += [
            "-drive",
            f"file={self.folder / 'disk.qcow2'},if=virtio,format=qcow2,cache=unsafe",
        ]
        words += [
            "-netdev",
            f"user,id=net,restrict=on{forwards}",
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
        ]
        words += ["-device", "virtio-rng-pci", "-serial", f"file:{self.folder / 'console'}"]
        words += ["-qmp", f"unix:{place},server=on,wait=off", *more]
        with (self.folder / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._monitor = Monitor(place)
        self.await_ssh()

    def await_ssh(self) -> None:
        """Wait until its sshd speaks."""
        by = time.monotonic() + BOOT
        while not self._speaks():
            if self._qemu is None or self._qemu.poll() is not None:
                log = (self.folder / "qemu.log").read_text(errors="replace")
                raise MachineError(f"cannot start the machine: {log[-SEEN:]}")
            if time.monotonic() > by:
                raise MachineError(f"no sshd after {BOOT:.0f} s: {self.console[-SEEN:]}")
            time.sleep(0.2)

    def _speaks(self) -> bool:
        with contextlib.suppress(OSError), self.connect("ssh") as plug:
            return plug.recv(4) == b"SSH-"
        return False

    def connect(self, name: str, *, seconds: float = 5.0) -> socket.socket:
        """Open a connection to one of its ports."""
        return socket.create_connection(("127.0.0.1", self.ports[name]), timeout=seconds)

    def ssh(self, command: str, *, stdin: bytes = b"", seconds: float = COMMAND) -> Result:
        """Run a command on it as root."""
        hosts = self._sockets / "known_hosts"
        hosts.write_text(self.known_hosts)
        words = [
            "ssh",
            "-F",
            "none",
            "-T",
            "-p",
            str(self.ports["ssh"]),
            "-i",
            str(self.image.login),
        ]
        for option in (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={hosts}",
            "ControlMaster=auto",
            f"ControlPath={self._sockets / 'mux'}",
            "ControlPersist=600",
            "LogLevel=ERROR",
            "ConnectTimeout=60",
            "ServerAliveInterval=10",
        ):
            words += ["-o", option]
        done = subprocess.run(
            [*words, "root@127.0.0.1", command],
            input=stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)

    def run(self, command: str, *, stdin: bytes = b"", seconds: float = COMMAND) -> str:
        """Run a command on it that must go well; give what it said."""
        return self.ssh(command, stdin=stdin, seconds=seconds).text

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Lay a file onto it."""
        self.run(
            f"mkdir -p $(dirname {path}) && cat >{path} && chmod {mode:o} {path}", stdin=content
        )

    def wait(self, command: str, *, seconds: float = PATIENCE) -> str:
        """Wait until a command on it goes well; give what it said."""
        by = time.monotonic() + seconds
        while True:
            done = self.ssh(command)
            if done.code == 0:
                return done.text
            if time.monotonic() > by:
                raise MachineError(f"{command}: still exit {done.code} after {seconds} s: {done!r}")
            time.sleep(0.5)

    def rewind(self) -> None:
        """Make it what it was when it was first ready: memory, processes and disk."""
        self._forget_login()
        self._monitor_now.human(f"loadvm {READY}")
        self.await_ssh()
        self.set_clock()

    def set_clock(self) -> None:
        """Tell it the time, which it did not see passing."""
        self.run(f"date -s @{time.time():.0f}")

    def boot_id(self) -> str:
        """Name its present boot."""
        return self.run("cat /proc/sys/kernel/random/boot_id").strip()

    def reboot(self) -> None:
        """Have it shut down and start anew, as `reboot` does; wait until it lets people in."""
        self.hang_up_after(lambda: self.ssh("systemctl --no-block reboot"))

    def power_cut(self) -> None:
        """Take its power away without a word, and give it back."""
        self.hang_up_after(lambda: self._monitor_now.order("system_reset"))

    def hang_up_after(self, act: Callable[[], object]) -> None:
        """Do what ends every connection, and wait for the next boot."""
        before = self.boot_id()
        act()
        by = time.monotonic() + BOOT
        while True:
            self._forget_login()
            self.await_ssh()
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                if self.boot_id() != before:
                    return
            if time.monotonic() > by:
                raise MachineError("cannot see a new boot")
            time.sleep(1)

    def _forget_login(self) -> None:
        mux = self._sockets / "mux"
        if mux.exists():
            subprocess.run(
                ["ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={mux}", "vm"],
                capture_output=True,
                timeout=10,
                check=False,
            )
            mux.unlink(missing_ok=True)

    @property
    def _monitor_now(self) -> Monitor:
        assert self._monitor is not None, "the machine is off"
        return self._monitor

    def stop(self) -> None:
        """Turn it off for good and leave nothing of it running."""
        self._forget_login()
        if self._monitor is not None:
            self._monitor.close()
        if self._qemu is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._qemu.pid, signal.SIGKILL)
            self._qemu.wait()
        shutil.rmtree(self._sockets, ignore_errors=True)
        (self.folder / "disk.qcow2").unlink(missing_ok=True)


def free_port() -> int:
    """Find a port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@contextlib.contextmanager
def running(image: Image, folder: Path) -> Iterator[Machine]:
    """Give a machine that is on, and turn it off afterwards."""
    machine = Machine(image, folder)
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()


def _tool(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=60)
