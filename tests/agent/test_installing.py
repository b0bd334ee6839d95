"""Installing on this machine: what would be written, how settings meet the file, what is refused before anything is touched."""

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from controller.agent import installing, systemd
from controller.agent.errors import FolderError, InstallError, SettingsError
from controller.agent.installing import Wish, check_here, install_here, look_ahead, packed_program
from controller.agent.packing import pack_agent
from controller.agent.settings import load_settings
from controller.agent.systemd import Systemd
from controller.agent.unit import FLAGS, PROGRAM, UNIT
from controller.agent.writing import File, write_file

NEW, NONE = Systemd(version=254, runs=True), Systemd(version=0, runs=False)
LISTEN = ("--listen=192.0.2.1:9443",)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "agent.conf"


def text_of(wish: Wish, conf: Path) -> str | None:
    files = look_ahead(wish, NEW, b"", file=str(conf)).files
    return next((one.content.decode() for one in files if one.path == str(conf)), None)


def test_the_file_reads_as_the_settings_that_were_wished(conf: Path) -> None:
    more = "--name=web-1 --workers=4 --scripts=/opt/s --scripts-only --disk=/ --disk=/srv --keep=3d --drain"
    words = (*LISTEN, *more.split())
    text = text_of(Wish(words=words), conf)
    assert text is not None
    conf.write_text(text)
    conf.chmod(0o644)
    assert load_settings([], usual=str(conf)) == load_settings(words, usual="/none/x")
    assert text_of(Wish(words=words), conf) is None
    assert text_of(Wish(), conf) is None


def test_the_unit_reads_the_file_and_carries_no_setting(conf: Path) -> None:
    files = look_ahead(Wish(words=LISTEN), NEW, b"", file=str(conf)).files
    unit = next(one.content.decode() for one in files if one.path.endswith(UNIT))
    assert f"ExecStart=/usr/bin/python3 {' '.join(FLAGS)} {PROGRAM} run --config={conf}\n" in unit


def test_how_to_be_reached_is_said_anew_or_kept_or_usual(conf: Path) -> None:
    usual = ("--listen=0.0.0.0:9443",)
    assert "listen = 0.0.0.0:9443\n" in (text_of(Wish(usual=usual), conf) or "")
    conf.write_text("connect = ctl.example.com\nproxy = 192.0.2.9:3128\nworkers = 2\n")
    conf.chmod(0o644)
    assert text_of(Wish(usual=usual), conf) is None
    changed = text_of(Wish(words=LISTEN, usual=usual), conf) or ""
    assert "listen = 192.0.2.1:9443\n" in changed
    assert "workers = 2\n" in changed
    assert "connect" not in changed
    assert "proxy" not in changed


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--listen=a", "--connect=b"),
        (*LISTEN, "--proxy=p:1"),
        (*LISTEN, "--scripts-only"),
        ("--listen=192.0.2.1:0x",),
    ],
)
def test_settings_with_which_nothing_runs_are_refused(words: tuple[str, ...], conf: Path) -> None:
    with pytest.raises(SettingsError):
        look_ahead(Wish(words=words), NEW, b"", file=str(conf))


def test_a_file_others_can_write_is_refused(conf: Path) -> None:
    conf.write_text("workers = 2\n")
    conf.chmod(0o666)
    with pytest.raises(FolderError, match="can be written to by others"):
        look_ahead(Wish(words=LISTEN), NEW, b"", file=str(conf))


def test_a_machine_without_systemd_is_refused_unless_nothing_is_started() -> None:
    if os.geteuid() != 0:
        with pytest.raises(InstallError, match="only root can"):
            check_here(NEW, start=True)
        return
    with pytest.raises(InstallError, match="systemd does not run this machine") as told:
        check_here(NONE, start=True)
    assert "--no-start" in str(told.value.hint)
    check_here(NONE, start=False)


def test_another_file_of_settings_is_refused() -> None:
    with pytest.raises(SettingsError, match="--config"):
        install_here([*LISTEN, "--config=/etc/other"])


def test_a_dry_run_shows_and_writes_nothing() -> None:
    before = Path(PROGRAM).exists()
    told = "\n".join(install_here([*LISTEN, "--dry-run"]))
    assert f"-rwxr-xr-x  {PROGRAM}\n" in told
    assert "    listen = 192.0.2.1:9443\n" in told
    assert "    KillMode=process\n" in told
    assert Path(PROGRAM).exists() is before


@pytest.mark.real
def test_the_packed_agent_installs_itself_byte_for_byte(tmp_path: Path) -> None:
    packed = tmp_path / "ctl-agent.pyz"
    packed.write_bytes(pack_agent())
    code = (
        f"import sys; sys.path.insert(0, {str(packed)!r})\n"
        "from controller.agent.installing import packed_program\n"
        "sys.stdout.buffer.write(packed_program(compile_too=False))"
    )
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    assert said.stdout == packed.read_bytes() == packed_program(compile_too=False)
    packed.write_bytes(packed_program(compile_too=True))
    with zipfile.ZipFile(packed) as archive:
        assert "controller/agent/main.pyc" in archive.namelist()
    ran = subprocess.run(
        [sys.executable, str(packed), "--version"], capture_output=True, check=True
    )
    assert ran.stdout.startswith(b"ctl-agent ")


class Fake:
    """What systemctl would be told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.active = False
        for name in ("enable", "start", "restart", "watch"):
            monkeypatch.setattr(systemd, name, lambda what, name=name: self._note(name, what))
        monkeypatch.setattr(systemd, "is_active", lambda _: self.active)

    def _note(self, name: str, what: object) -> None:
        self.calls.append(name)
        self.active = self.active or name == "restart"


def test_only_what_changed_starts_the_daemon_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(monkeypatch)
    monkeypatch.setattr(installing, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(installing, "PROGRAM", str(tmp_path / "lib" / "x.pyz"))
    wish, conf = Wish(words=LISTEN), str(tmp_path / "agent.conf")

    def install(program: bytes) -> list[str]:
        fake.calls.clear()
        outlook = look_ahead(wish, NEW, program, file=conf)
        list(installing.install(outlook, start=True))
        return fake.calls

    assert install(b"one") == ["enable", "restart", "watch"]
    assert install(b"one") == ["enable"]
    assert install(b"two") == ["enable", "restart", "watch"]
    fake.active = False
    assert install(b"two") == ["enable", "restart", "watch"]


@pytest.mark.parametrize(
    "then",
    [
        {"ActiveState": "active", "NRestarts": "1"},
        {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "0"},
        {"ActiveState": "failed", "NRestarts": "0"},
    ],
)
def test_a_daemon_that_ends_by_itself_is_told_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, then: dict[str, str]
) -> None:
    well = {"ActiveState": "active", "SubState": "running", "NRestarts": "0"}
    states = iter([well, well, well, then])
    monkeypatch.setattr(systemd, "_state", lambda _: next(states))
    monkeypatch.setattr(systemd, "_last_words", lambda _: ":\nno certificate")
    with pytest.raises(InstallError, match="ends by itself:\nno certificate"):
        systemd.watch(UNIT, pause=lambda _: None)


def test_a_daemon_that_stays_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(systemd, "_state", lambda _: {"ActiveState": "active", "NRestarts": "7"})
    systemd.watch(UNIT, pause=waited.append)
    assert sum(waited) == systemd.STEADY


def test_a_file_is_whole_and_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        file = File(path=str(tmp_path / "a" / "b" / "file"), mode=0o644, content=b"one")
        assert write_file(file)
        assert not write_file(file)
    finally:
        os.umask(before)
    path = Path(file.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    assert write_file(file)
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"mine")
    (tmp_path / "file").symlink_to(tmp_path / "other")
    write_file(File(path=str(tmp_path / "file"), mode=0o600, content=b"new"))
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert not (tmp_path / "file").is_symlink()


def test_a_folder_others_can_change_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(FolderError, match="can be written to by others"):
        write_file(File(path=str(tmp_path / "file"), mode=0o600, content=b"x"))
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match="no space left on device"):
        write_file(File(path=str(path), mode=0o600, content=b"new"))
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
