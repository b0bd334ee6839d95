"""`ctl serve --print-unit`: the unit says everything that was said."""

import shlex
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
from typer.models import OptionInfo

from controller.cli.serve import serve
from tests.cli.stage import Stage

FILES = ("--config-known-hosts", "--config-verify", "--tls-cert", "--pki", "--state")
SECRETS = {"--tls-key": "tls-key", "--age-key": "age-key", "--config-key": "config-key"}
SAID = {
    "--listen": "[::1]:8420",
    "--agent-listen": "0.0.0.0:9444",
    "--config-repo": "https://git.example.com/ops.git",
    "--branch": "live",
    "--role": "worker",
    "--allow": "env,vault",
    "--anonymous": "none",
    "--origin": "https://ctl.example.com",
    "--proxy": "10.0.0.0/28",
    "--parallel": "7",
}
INSTEAD = {"--config-token-file": "--config-key"}
"""Flags that do not go together with another one."""
NOT_HANDED_ON = {"--print-unit"}


def flags_of_serve() -> set[str]:
    """List the flags of `serve` itself."""
    found = set()
    for one in list(signature(serve).parameters.values())[1:]:
        info = next(each for each in get_args(one.annotation) if isinstance(each, OptionInfo))
        found |= {name for name in info.param_decls or () if name.startswith("--")}
    return found


def words_of(unit: str) -> list[str]:
    """Read the command line of a unit, without the program."""
    line = next(one for one in unit.splitlines() if one.startswith("ExecStart="))
    words = shlex.split(line.removeprefix("ExecStart="))[1:]
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.chdir(tmp_path)
    return Stage(cwd=tmp_path)


def test_every_flag_is_handed_on(stage: Stage, tmp_path: Path) -> None:
    said = [word for pair in SAID.items() for word in pair]
    said += [word for flag in (*FILES, *SECRETS) for word in (flag, flag.strip("-"))]
    words = words_of(stage("serve", *said, "--drain", "--print-unit").out)
    for flag, value in SAID.items():
        assert words[words.index(flag) + 1] == value
    for flag in FILES:
        assert words[words.index(flag) + 1] == str(tmp_path / flag.strip("-"))
    for flag, name in SECRETS.items():
        assert words[words.index(flag) + 1] == f"{{CREDENTIALS_DIRECTORY}}/{name}".replace(
            "{C", "${C"
        )
    assert flags_of_serve() - NOT_HANDED_ON - INSTEAD.keys() <= set(words)


def test_a_token_file_is_handed_over_as_a_credential(stage: Stage, tmp_path: Path) -> None:
    unit = stage("serve", "--config-token-file", "token", "--print-unit").out
    assert f"LoadCredential=config-token:{tmp_path / 'token'}\n" in unit
    assert "--config-token-file ${CREDENTIALS_DIRECTORY}/config-token" in unit


def test_a_state_elsewhere_is_handed_on_as_it_was_said(stage: Stage) -> None:
    url = "postgresql://db.example.com/ctl"
    words = words_of(stage("--state", url, "serve", "--print-unit").out)
    assert words[words.index("--state") + 1] == url


def test_what_the_unit_will_not_see_is_warned_of(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/tmp") as folder:
        program = Path(folder) / "ctl"
        program.touch(mode=0o755)
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/ctl").symlink_to(program)
        stage = Stage(cwd=tmp_path, environment={"PATH": f"{tmp_path}/bin"})
        said = ("serve", "--tls-cert", "/home/ops/c.pem", "--tls-key", "/root/k.pem")
        seen = stage(*said, "--print-unit", "--quiet")
        assert f"the unit will not see {program}; " in seen.err
        assert "the unit will not see /home/ops/c.pem; " in seen.err
        assert "k.pem" not in seen.err  # systemd hands it over
        assert "warning" not in seen.out
        seen = stage(*said, "--allow", "env,local", "--print-unit")
        assert "warning" not in seen.err  # nothing is hidden from it
