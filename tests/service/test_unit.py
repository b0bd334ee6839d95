"""The unit of a serving controller, as systemd itself reads it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from controller.errors import UsageError
from controller.service.unit import make_unit

WORDS = ("serve", "--config-repo", "https://git.example.com/ops.git", "--listen", "127.0.0.1:8420")


def systemd_says(text: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze on this machine")
    unit = folder / "ctl-under-test.service"
    unit.write_text(text)
    return subprocess.run(
        [program, *words, str(unit)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.real
@pytest.mark.parametrize(
    "text",
    [
        make_unit(WORDS, program="/bin/true"),
        make_unit((*WORDS, "--drain"), program="/bin/true", role="worker", name="ctl-worker"),
        make_unit(WORDS, program="/bin/true", ports=(443, 9444)),
        make_unit((*WORDS, "--allow", "local"), program="/bin/true", local=True),
        make_unit(
            (*WORDS, "--age-key", "/etc/ctl/age.txt"),
            program="/bin/true",
            credentials={"age-key": Path("/etc/ctl/age.txt")},
        ),
    ],
)
def test_systemd_finds_nothing_wrong_with_it(text: str, tmp_path: Path) -> None:
    said = systemd_says(text, tmp_path, "verify", "--man=no")
    assert "ctl-under-test" not in said.stderr
    assert said.returncode == 0, said.stderr


@pytest.mark.real
def test_it_is_among_the_well_confined(tmp_path: Path) -> None:
    said = systemd_says(
        make_unit(WORDS, program="/bin/true"), tmp_path, "security", "--offline=true", "--no-pager"
    )
    overall = next(line for line in said.stdout.splitlines() if "Overall exposure" in line)
    assert float(overall.split(":")[1].split()[0]) <= 2.0, said.stdout


def test_a_low_port_takes_the_one_capability_for_it() -> None:
    assert "CAP_NET_BIND_SERVICE" in make_unit(WORDS, program="/bin/ctl", ports=(443,))
    assert "CapabilityBoundingSet=\n" in make_unit(WORDS, program="/bin/ctl", ports=(8420,))


def test_jobs_on_this_machine_find_it_as_it_is() -> None:
    text = make_unit((*WORDS, "--allow=local"), program="/bin/ctl", local=True)
    assert "Protect" not in text
    assert "DynamicUser" not in text


def test_no_word_is_more_than_a_word() -> None:
    text = make_unit(("serve", "--branch", "a b%i$X"), program="/bin/ctl")
    assert 'ExecStart=/bin/ctl serve --branch "a b%%i$$X"\n' in text
    with pytest.raises(UsageError, match="unit"):
        make_unit(("serve", "a\nExecStart=/bin/sh"), program="/bin/ctl")


def test_files_that_root_keeps_to_itself_are_handed_over_as_credentials() -> None:
    text = make_unit(
        (*WORDS, "--config-token-file", "/etc/ctl/100% token", "--age-key", "/etc/ctl/age.txt"),
        program="/bin/ctl",
        credentials={
            "config-token": Path("/etc/ctl/100% token"),
            "age-key": Path("/etc/ctl/age.txt"),
        },
    )
    assert "LoadCredential=config-token:/etc/ctl/100%% token\n" in text
    assert "--config-token-file ${CREDENTIALS_DIRECTORY}/config-token" in text
    assert text.count("/etc/ctl/age.txt") == 1
    with pytest.raises(UsageError):
        make_unit(WORDS, program="/bin/ctl", credentials={"age-key": Path("age\n.txt")})
