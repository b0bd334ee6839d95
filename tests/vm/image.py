"""The image a virtual server starts from: Debian with systemd, sshd and Python, on one disk, with its kernel beside it.

Made once by debootstrap from the mirror that apt of this machine uses, and kept in `build/vm/`, named by a hash of what
made it. Needs root and the packages `debootstrap`, `e2fsprogs`, `qemu-system-x86`, `qemu-utils`. `machine` calls it.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "vm"
TOOLS = ("qemu-system-x86_64", "qemu-img", "debootstrap", "mke2fs", "ssh", "ssh-keygen", "apt-get")
PACKAGES = (
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "linux-image-cloud-amd64",
    "openssh-server",
    "python3",
    "openssl",
    "ca-certificates",
    "git",
    "libnss-systemd",
)
DISK = "2G"
BUILDING = 900
"""Seconds that the making may take."""
RECIPE = "\n".join(
    (*PACKAGES, DISK, Path(__file__).read_text(encoding="utf-8"))
)  # any change makes another image

BEFORE: Mapping[str, str] = {
    # Small and quick: what is never read, and promises to a disk that is thrown away if the making fails.
    "etc/dpkg/dpkg.cfg.d/small": (
        "force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/locale/*\n"
    ),
    # The kernel's first file system holds what this machine needs and no more: it is unpacked by emulation.
    "etc/initramfs-tools/conf.d/small": "MODULES=list\nCOMPRESS=gzip\n",
    "usr/share/initramfs-tools/modules.d/disk": "virtio_pci\nvirtio_blk\next4\ncrc32c\n",
}
"""What stands there before any package is unpacked."""
AFTER: Mapping[str, str] = {
    "etc/hostname": "vm\n",
    "etc/hosts": "127.0.0.1 localhost vm\n",
    "etc/systemd/network/10-user.network": (
        "[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n"
        "IPv6AcceptRA=no\n"
    ),
    # What ignores being told to end is waited for, at every reboot; a minute and a half by default.
    "etc/systemd/system.conf.d/stop.conf": "[Manager]\nDefaultTimeoutStopSec=15s\n",
    "etc/ssh/sshd_config.d/vm.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\nUseDNS no\nMaxStartups 50:30:100\n"
    ),
}
"""What is written over it when all packages are there."""
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer")


class ImageError(Exception):
    """This machine cannot make the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A finished image and what is needed to start and enter it."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def login(self) -> Path:
        """The private key that opens it for root; made with it, and good for nothing else."""
        return self.folder / "login"

    @property
    def host_key(self) -> str:
        """The public key its sshd shows, as `known_hosts` writes it."""
        return " ".join((self.folder / "host.pub").read_text().split()[:2])


def build() -> Image:
    """Give the image, and make it when there is none that was made like this.

    Raises:
        ImageError: it cannot be made here.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool, path=_path()) is None]
    if missing:
        raise ImageError(f"cannot make a virtual server: {', '.join(missing)} is missing")
    if os.geteuid() != 0:
        raise ImageError("cannot make a virtual server: debootstrap needs root")
    mirror, suite = _mirror()
    folder = CACHE / hashlib.sha256(f"{suite}\n{RECIPE}".encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone(CACHE / "lock"):
        if not folder.exists():
            _make(folder, mirror, suite)
    return Image(folder=folder)


def _make(folder: Path, mirror: str, suite: str) -> None:
    """Make everything beside its place, and put it there when it is whole."""
    for old in CACHE.glob("*.new"):
        shutil.rmtree(old)
    work = folder.with_suffix(".new")
    root = work / "root"
    work.mkdir()
    root.mkdir(mode=0o755)
    _write(root, BEFORE)
    words = ["--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(root), mirror]
    _run("debootstrap", *words)
    _write(root, AFTER)
    _furnish(root, work)
    shutil.copy(root / "vmlinuz", work / "vmlinuz")
    shutil.copy(root / "initrd.img", work / "initrd")
    _run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-E",
        "root_owner=0:0",
        "-d",
        str(root),
        str(work / "disk.img"),
        DISK,
    )
    shutil.rmtree(root)
    work.rename(folder)


def _furnish(root: Path, work: Path) -> None:
    """Give it a name of its own, keys, and the services it starts with."""
    (root / "etc/machine-id").write_text(f"{secrets.token_hex(16)}\n")
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    for place in (work / "login", root / "etc/ssh/ssh_host_ed25519_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", str(place))
    shutil.copy(root / "etc/ssh/ssh_host_ed25519_key.pub", work / "host.pub")
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.move(work / "login.pub", root / "root/.ssh/authorized_keys")
    (root / "root/.ssh/authorized_keys").chmod(0o600)
    _run("systemctl", f"--root={root}", "enable", "systemd-networkd.service", "ssh.service")
    _run("systemctl", f"--root={root}", "mask", *MASKED)
    shutil.rmtree(root / "var/cache/apt/archives")
    shutil.rmtree(root / "var/lib/apt/lists")


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def _mirror() -> tuple[str, str]:
    """Give the address and the suite from which apt of this machine gets its base."""
    told = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)")
    for line in told.splitlines():
        address, suite, component = line.split()
        if component == "main" and suite == _codename():
            return address, suite
    raise ImageError("cannot find the mirror of this machine: apt names no component main")


def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise ImageError("cannot tell which Debian this machine is")


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _run(*words: str) -> str:
    done = subprocess.run(
        words,
        env={"PATH": _path(), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        timeout=BUILDING,
        check=False,
    )
    if done.returncode != 0:
        raise ImageError(f"cannot {words[0]}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
