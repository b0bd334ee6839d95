"""In step with the real `sops`, both ways."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.secrets.sops.closing import Change, close_document, put
from controller.secrets.sops.opening import open_file
from tests.secrets.closed import KEYS, RECIPIENT, key_in, known, program

pytestmark = pytest.mark.real
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CLEAR = """\
db:
    password: hunter2 äöü
    port: 5432
    ratio: 1.5
    big: 1e30
    truth: true
    odd: ["yes", "0x10", "", "# no comment", "a: b", "2001-12-14", null, "  ", "\\t", "\\U0001F600"]
    multi: |
        line 1
         line 2
    "dotted.key": {"n": 0777, _x: -0.0}
clear_unencrypted: {a: text, n: 1_000, f: 1.50, e: 1e3, h: 0x10, o: 0o17, t: 2001-12-14 21:59:43.10}
"""


@pytest.fixture
def sops(tmp_path: Path) -> "Sops":
    found = program("sops")
    if found is None:
        pytest.skip("there is no sops on this machine")
    return Sops(found, tmp_path)


class Sops:
    """The real program with our key."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._key = key_in(folder)

    def __call__(self, *argv: str, name: str, data: bytes) -> bytes:
        (self._folder / name).write_bytes(data)
        return subprocess.run(
            [self._program, *argv, name],
            cwd=self._folder,
            env={"SOPS_AGE_KEY_FILE": str(self._key), "HOME": str(self._folder)},
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout


@pytest.mark.parametrize("name", ["it.yaml", "it.json"])
def test_sops_opens_what_we_close_and_we_open_what_it_closes(sops: Sops, name: str) -> None:
    clear = CLEAR.encode()
    if name.endswith("json"):
        clear = sops("decrypt", name="types.json", data=known("types.json"))
    theirs = sops("encrypt", "--age", RECIPIENT, name=name, data=clear)
    ours = close_document(name, clear, [RECIPIENT], NOW)
    assert sops("decrypt", name=name, data=ours) == sops("decrypt", name=name, data=theirs)
    assert open_file(name, ours, KEYS).document == open_file(name, theirs, KEYS).document


@pytest.mark.parametrize("name", ["types.yaml", "types.json", "regex.yaml", "suffix.yaml"])
def test_sops_accepts_a_file_into_which_a_value_was_put(sops: Sops, name: str) -> None:
    key = {"types.json": "a", "regex.yaml": "data.password", "suffix.yaml": "new_secret"}.get(
        name, "db.port"
    )
    changed = put(name, known(name), KEYS, Change(key=key, value="fresh: value"), NOW)
    assert b"fresh: value" in sops("decrypt", name=name, data=changed)


def test_we_open_a_file_that_sops_has_edited(sops: Sops, tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_bytes(close_document("it.yaml", b"a: {b: c}\n", [RECIPIENT], NOW))
    edited = (tmp_path / "it.yaml").read_bytes()
    rotated = sops("rotate", name="it.yaml", data=edited)
    assert rotated != edited
    assert (
        open_file("it.yaml", rotated, KEYS).document == open_file("it.yaml", edited, KEYS).document
    )
