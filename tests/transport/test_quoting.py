"""What is quoted arrives in a real shell byte for byte, and does nothing on its way."""

import shutil
import subprocess

import pytest
from hypothesis import example, given, settings, strategies as st

from controller.errors import StateError
from controller.transport.quoting import assign, quote

SHELLS = {
    "dash": (shutil.which("dash") or "",),
    "bash": (shutil.which("bash") or "",),
    "busybox": (shutil.which("busybox") or "", "ash"),
}
VALUES = st.binary(max_size=200).map(lambda raw: raw.replace(b"\0", b""))
READER = b"NL='\n'\nIFS= read -r line <&3\neval \"$line\"\nprintf '%s' \"$a\"\n"


def through(shell: str, value: bytes) -> bytes:
    """Send an assignment as one line, as the session does; give back what the variable holds."""
    line = assign(a=value) + b"\n"
    program, *more = SHELLS[shell]
    if not program:
        pytest.skip(f"no {shell} here")
    done = subprocess.run(
        [program, *more, "-c", b"exec 3<&0\n" + READER],
        input=line,
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/nowhere"},
    )
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=60, deadline=None)
@given(VALUES)
@example(bytes(range(1, 256)))
@example(b"'; touch /tmp/broken; '")
@example(b"a\nb\n\n")
@example(b"\\\\ \\n $(id) `id` ${NL} ~ * ! \r")
def test_any_bytes_come_through_every_shell(shell: str, value: bytes) -> None:
    assert through(shell, value) == value


@given(VALUES)
def test_a_quoted_value_is_one_line(value: bytes) -> None:
    assert b"\n" not in quote(value)


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(StateError, match="NUL"):
        quote(b"a\0b")


def test_text_that_is_not_utf8_keeps_its_bytes() -> None:
    assert quote(b"\xff".decode("utf-8", "surrogateescape")) == b"'\xff'"


def test_numbers_and_text_are_assigned_in_order() -> None:
    assert assign(a=1, b="x'y") == rb"a='1' b='x'\''y'"
