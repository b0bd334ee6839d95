"""`ctl secret`: keys and closed files, in step with what people know of `age` and `sops`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.stage import Seen, Stage
from tests.secrets.closed import KNOWN, RECIPIENT, key_in, program

CANARY = "canary-4711-canary"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    key_in(tmp_path)
    environment = {"HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(tmp_path / "key.txt")}
    return Stage(cwd=tmp_path, environment=environment)


def secret(stage: Stage, *argv: str, stdin: str = "") -> Seen:
    stage.stdin = stdin
    return stage("secret", *argv)


def test_a_key_is_made_privately_and_only_its_recipient_is_shown(stage: Stage) -> None:
    seen = secret(stage, "keygen")
    assert seen.code == 0, seen.err
    file = stage.cwd / ".config/ctl/age.txt"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    recipient = seen.out.split()[1]
    assert f"# public key: {recipient}" in file.read_text()
    assert "SECRET" not in seen.out + seen.err
    again = secret(stage, "keygen")
    assert again.code == 1
    assert "is there already" in again.err
    named = secret(stage, "keygen", "--out", "other.txt", "-o", "json")
    assert json.loads(named.out)["file"] == str(stage.cwd / "other.txt")


@pytest.mark.real
def test_the_real_age_derives_the_same_recipient(stage: Stage) -> None:
    found = program("age-keygen")
    if found is None:
        pytest.skip("there is no age on this machine")
    shown = secret(stage, "keygen", "--out", "other.txt").out.split()[1]
    argv = [found, "-y", str(stage.cwd / "other.txt")]
    assert subprocess.run(argv, capture_output=True, check=True).stdout.decode().strip() == shown


def test_what_is_encrypted_for_a_recipient_comes_back(stage: Stage) -> None:
    seen = secret(stage, "encrypt", "-", "-r", RECIPIENT, stdin=CANARY)
    assert seen.code == 0, seen.err
    assert seen.out.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert CANARY not in seen.out
    assert secret(stage, "decrypt", "-", stdin=seen.out).out == CANARY


def test_recipients_may_come_from_files(stage: Stage) -> None:
    (stage.cwd / "who").write_text(f"# the controller\n{RECIPIENT}\n\n")
    seen = secret(stage, "encrypt", "-", "-R", "who", "--out", "it.age", stdin=CANARY)
    assert (seen.code, seen.out) == (0, "")
    assert (stage.cwd / "it.age").stat().st_mode & 0o777 == 0o600
    assert secret(stage, "decrypt", "it.age").out == CANARY
    over = secret(stage, "encrypt", "-", "-R", "who", "--out", "it.age", stdin="other")
    assert over.code == 1
    assert secret(stage, "decrypt", "it.age").out == CANARY


def test_a_document_is_closed_in_place_by_the_rules_of_its_folder(stage: Stage) -> None:
    (stage.cwd / ".sops.yaml").write_text(f"creation_rules: [{{age: {RECIPIENT}}}]\n")
    file = stage.cwd / "prod.yaml"
    file.write_text(f"z: {CANARY}\na: {{port: 5}}\n")
    file.chmod(0o640)
    assert secret(stage, "encrypt", "--sops", "-i", "prod.yaml").code == 0
    assert CANARY not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    assert secret(stage, "decrypt", "prod.yaml").out == f"z: {CANARY}\na:\n    port: 5\n"
    assert secret(stage, "decrypt", "prod.yaml", "--key", "a.port").out == "5"
    again = secret(stage, "encrypt", "--sops", "-i", "prod.yaml")
    assert "it is a file of SOPS already" in again.err


def test_one_value_is_put_into_a_file(stage: Stage) -> None:
    file = stage.cwd / "types.yaml"
    file.write_bytes((KNOWN / "types.yaml").read_bytes())
    into = ("encrypt", "-", "--into", "types.yaml", "--key")
    seen = secret(stage, *into, "db.password", stdin=f"{CANARY}\n")
    assert seen.code == 0, seen.err
    assert CANARY not in file.read_text() + seen.out + seen.err
    assert secret(stage, "decrypt", "types.yaml", "--key", "db.password").out == CANARY
    before = file.read_bytes()
    refused = secret(stage, *into, "clear_unencrypted.a", stdin=CANARY)
    assert refused.code == 1
    assert "would lie in it in clear" in refused.err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("encrypt", "-"), 64, "for whom?"),
        (("encrypt", "-", "-r", "age1yubikey1xx"), 1, "no recipient of a native age key"),
        (("encrypt", "none", "-r", RECIPIENT), 1, "no such file"),
        (("encrypt", "-", "--into", "x"), 64, "--into takes --key"),
        (("encrypt", "-", "--key", "x"), 64, "--into takes --key"),
        (("encrypt", "-", "--sops", "-i"), 64, "--in-place takes --sops and a FILE"),
        (("encrypt", "x", "-i", "-r", RECIPIENT), 64, "--in-place takes --sops"),
        (
            ("encrypt", "-", "--into", "x", "--key", "y", "-r", RECIPIENT),
            64,
            "keeps the recipients",
        ),
        (("decrypt", "-"), 1, "no file of SOPS"),
        (("decrypt", "-", "--age-key", "none"), 1, "no such file"),
    ],
)
def test_what_cannot_be_done_says_why(
    stage: Stage, argv: tuple[str, ...], code: int, said: str
) -> None:
    seen = secret(stage, *argv, stdin=f"x: {CANARY}\n")
    assert (seen.code, seen.out) == (code, "")
    assert said in seen.err
    assert CANARY not in seen.err


@pytest.mark.real
def test_bytes_go_through_a_pipe_as_they_are(stage: Stage) -> None:
    raw = bytes(range(256)) + b"\r\n"
    ctl = [sys.executable, "-m", "controller", "secret"]
    environment = {**os.environ, **stage.environment}

    def run(*argv: str, data: bytes) -> bytes:
        done = subprocess.run(
            [*ctl, *argv], input=data, capture_output=True, check=True, env=environment
        )
        return done.stdout

    closed = run("encrypt", "-", "-r", RECIPIENT, data=raw)
    assert run("decrypt", "-", data=closed) == raw
