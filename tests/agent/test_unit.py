"""Units of an agent: systemd accepts them, and every line that keeps a promise is there, with its reason."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.agent.errors import SettingsError
from controller.agent.settings import Settings, load_settings
from controller.agent.unit import FLAGS, HOLDER, PROGRAM, UNIT, make_units
from controller.agent.values import Address

LISTENS = Settings(listen=Address(host="192.0.2.1", port=9443), scripts="/opt/scripts")
NEW, OLD = 254, 252
NONE = "/none/agent.conf"


def analyze() -> tuple[str, int]:
    """Find systemd-analyze and its version."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze on this machine")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return program, int(said.stdout.split()[1])


def write(folder: Path, units: dict[str, str]) -> list[str]:
    for name, text in units.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in units]


def words_of(text: str) -> list[str]:
    """Read the command line of a unit as systemd does."""
    (line,) = re.findall(r"(?m)^ExecStart=(.*)$", text)
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


@pytest.mark.real
@pytest.mark.parametrize("drain", [False, True])
def test_systemd_accepts_the_units_without_a_word(tmp_path: Path, drain: bool) -> None:
    program, version = analyze()
    settings = Settings(listen=LISTENS.listen, scripts='/opt/a $b %c "d" \\e', drain=drain)
    units = dict(make_units(settings, systemd=version, python=sys.executable))
    said = subprocess.run(
        [program, "verify", "--man=no", *write(tmp_path, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.real
def test_an_older_systemd_wonders_about_nothing_but_the_subgroup(tmp_path: Path) -> None:
    program, version = analyze()
    units = dict(make_units(LISTENS, systemd=NEW, python=sys.executable))
    said = subprocess.run(
        [program, "verify", "--man=no", *write(tmp_path, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert all("DelegateSubgroup" in line for line in said.stderr.splitlines())
    assert bool(said.stderr) is (version < NEW)


@pytest.mark.real
def test_systemd_would_refuse_a_unit_with_a_mistake(tmp_path: Path) -> None:
    program, version = analyze()
    units = dict(make_units(LISTENS, systemd=version, python=sys.executable))
    units[UNIT] = units[UNIT].replace("KillMode=process", "KillMode=procces")
    said = subprocess.run(
        [program, "verify", "--man=no", *write(tmp_path, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "kill mode" in said.stderr


@pytest.mark.parametrize("version", [OLD, NEW])
def test_attempts_survive_a_restart_of_the_agent(version: int) -> None:
    units = make_units(LISTENS, systemd=version)
    for text in units.values():
        assert "\nKillMode=process\n" in text
        assert "\nOOMPolicy=continue\n" in text
    assert any("\nDelegate=yes\n" in text for text in units.values())


def test_a_new_systemd_starts_the_agent_beside_its_attempts() -> None:
    units = make_units(LISTENS, systemd=NEW)
    assert list(units) == [UNIT]
    assert "\nDelegateSubgroup=agent\n" in units[UNIT]


def test_an_old_systemd_holds_the_attempts_in_a_unit_that_never_restarts() -> None:
    units = make_units(LISTENS, systemd=OLD)
    assert list(units) == [UNIT, HOLDER]
    assert "DelegateSubgroup" not in units[UNIT]
    assert "Delegate=" not in units[UNIT]
    assert "Restart=" not in units[HOLDER]
    assert f"After=network-online.target {HOLDER}\n" in units[UNIT]
    assert f"--cgroup=/sys/fs/cgroup/system.slice/{HOLDER}" in words_of(units[UNIT])


def test_a_folder_for_cgroups_that_is_given_is_used() -> None:
    units = make_units(Settings(listen=LISTENS.listen, cgroup="/sys/fs/cgroup/mine"), systemd=OLD)
    assert list(units) == [UNIT]
    assert "--cgroup=/sys/fs/cgroup/mine" in words_of(units[UNIT])


def test_nothing_in_it_gives_jobs_another_view_of_the_disk() -> None:
    needing = "Protect Private ReadOnly ReadWrite Inaccessible RootDirectory BindPaths TemporaryFileSystem"
    needing += " MountAPIVFS DynamicUser StateDirectory"
    for text in make_units(LISTENS, systemd=OLD).values():
        keys = re.findall(r"(?m)^(\w+)=", text)
        assert not [key for key in keys if key.startswith(tuple(needing.split()))]


def test_every_block_of_the_service_says_why() -> None:
    for text in (
        *make_units(LISTENS, systemd=NEW).values(),
        make_units(LISTENS, systemd=OLD)[HOLDER],
    ):
        service = text.split("[Service]\n")[1].split("[Install]")[0]
        for block in re.split(r"\n(?=#)|\n\n", service):
            if "=" in block and not block.startswith("#"):
                assert block.startswith("Type=exec"), block
            if block.startswith("#"):
                assert 1 <= len(re.findall(r"(?m)^\w+=", block)) <= 2 or block.count("\n") == 0, (
                    block
                )


texts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)
paths = texts.filter(str.isprintable).map(lambda text: "/x" + text.replace("/", ""))


@given(paths, paths)
def test_the_command_line_reads_back_as_the_settings(scripts: str, state: str) -> None:
    settings = Settings(listen=LISTENS.listen, scripts=scripts, state=state, workers=4)
    words = words_of(make_units(settings, systemd=NEW)[UNIT])
    assert words[:8] == ["/usr/bin/python3", *FLAGS, PROGRAM, "run"]
    assert load_settings(words[8:], usual=NONE) == settings


def test_a_word_with_a_line_break_never_becomes_a_directive() -> None:
    with pytest.raises(SettingsError, match="cannot write"):
        make_units(Settings(name="a\nUser=evil"), systemd=NEW)


@pytest.mark.real
def test_the_sleeping_holder_steps_into_a_leaf(tmp_path: Path) -> None:
    line = re.findall(r"(?m)^ExecStart=(.*)$", make_units(LISTENS, systemd=OLD)[HOLDER])[0]
    *shell, script = shlex.split(line.replace("%%", "%").replace("$$", "$"))
    assert shell == ["/bin/sh", "-c"]
    group = tmp_path / "slice" / "holder"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text("1:name=x:/other\n0::/slice/holder\n")
    script = script.replace("/sys/fs/cgroup", str(tmp_path)).replace(
        "/proc/self/cgroup", str(tmp_path / "own")
    )
    subprocess.run([*shell, script.replace("sleep infinity", "true")], check=True)
    assert (group / "agent" / "cgroup.procs").read_text().strip().isdigit()
