"""The `openssl` of the server: it makes the agent's key and the request for its certificate.

`keyfolder` calls it. Python's own library can speak TLS but make no key, and the agent is nothing but Python's own library.
The key passes through a pipe and never through a command line.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from controller.agent.errors import EnrolmentError

SECONDS = 60.0
USUAL = ("/usr/bin", "/usr/local/bin", "/bin")
"""Where it is looked for beside what PATH says."""
CONFIG = b"""\
[req]
prompt = no
distinguished_name = subject
[subject]
CN = agent
"""
"""The controller takes the public key of a request and nothing else; a request without a subject is none, though."""
REMEDY = (
    "install openssl, or on the controller's machine: ctl agent install --on SERVER, which does all over ssh; "
    "or ctl pki issue NAME --role agent --out DIR, and copy the three files"
)


def find() -> str | None:
    """Say where openssl is; None where it is not installed.

    `shutil` could tell, and would cost every idle agent half a megabyte for the compression that it can do, too.
    """
    for folder in (*os.get_exec_path(), *USUAL):
        program = Path(folder, "openssl")
        if program.is_absolute() and program.is_file() and os.access(program, os.X_OK):
            return str(program)
    return None


def make_key() -> bytes:
    """Make a P-256 key, in PEM.

    Raises:
        EnrolmentError: there is no openssl, or it cannot.
    """
    curve = ("-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve")
    return _run(["genpkey", "-algorithm", "EC", *curve], b"", "make a key")


def make_request(key: str) -> bytes:
    """Make a request for the key in a file, in PEM.

    Raises:
        EnrolmentError: there is no openssl, or it cannot.
    """
    words = ["req", "-new", "-sha256", "-config", "/dev/stdin", "-key", key]
    return _run(words, CONFIG, "make a request")


def _run(words: list[str], given: bytes, what: str) -> bytes:
    program = find()
    if program is None:
        raise EnrolmentError(f"cannot {what}: openssl is not installed here", hint=REMEDY)
    try:
        done = subprocess.run(
            [program, *words], input=given, capture_output=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EnrolmentError(f"cannot {what}: {program} does not run: {error}") from error
    if done.returncode != 0 or not done.stdout.startswith(b"-----BEGIN "):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EnrolmentError(f"cannot {what}: openssl said {said[-1] if said else 'nothing'}")
    return done.stdout
