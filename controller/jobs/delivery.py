"""What is sent for the steps that the controller puts in: files, the tree of a repo, what undoes a change.

Pure. Called by `sending` at dispatch, by `accept` before a run is recorded, and by `claim` for the digests of a marker. Values of
secrets are put into files here, in memory, and travel on standard input only.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.errors import DeclarationError
from controller.jobs.scripts import CHECKOUT, CONFIRM, FILES, call, script
from controller.model.files import LARGEST_FILE, SECRET_CLOSE, SECRET_OPEN, FileWork
from controller.model.ids import JobId, Sha
from controller.model.work import StepWork, Work

PLACEHOLDER: Final = re.compile(
    re.escape(SECRET_OPEN) + rb"([^\x00]{1,255})" + re.escape(SECRET_CLOSE)
)
DIGITS: Final = 12
"""Of a commit, in the name of its tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A text and its standard input."""

    text: bytes
    stdin: bytes = field(default=b"", repr=False)


def content_of(file: FileWork, values: Mapping[str, str]) -> bytes:
    """Give the bytes of a file as they are delivered: with the values of its secrets.

    Args:
        file: a file without secrets is given as it is, whatever it holds.
        values: secret name to value.

    Raises:
        DeclarationError: with the values it is larger than a file may be.
    """
    if not file.secrets:
        return file.content

    def value_of(found: re.Match[bytes]) -> bytes:
        name = found[1].decode(errors="replace")
        if name not in file.secrets or name not in values:
            return found[0]
        return values[name].encode("utf-8", "surrogateescape")

    content = PLACEHOLDER.sub(value_of, file.content)
    if len(content) > LARGEST_FILE:
        raise DeclarationError(
            f"cannot deliver {file.path}: with its secrets it has {len(content)} bytes, "
            f"the limit is {LARGEST_FILE}"
        )
    return content


def digests_of(work: Work, values: Mapping[str, str]) -> dict[str, str]:
    """Give the SHA-256 of every file that holds secrets, by path."""
    return {
        file.path: hashlib.sha256(content_of(file, values)).hexdigest()
        for file in work.files
        if file.secrets
    }


def pack_files(work: Work, values: Mapping[str, str], *, user: str | None, at: datetime) -> Parcel:
    """Put the files of a task together.

    Args:
        work: whose files.
        values: secret name to value.
        user: owns what has no owner; None: whoever delivers.
        at: when; backups are named after it.

    Raises:
        DeclarationError: a file cannot be sent.
    """
    lines, contents = [script(FILES)], []
    for file in work.files:
        content = content_of(file, values)
        contents.append(content)
        lines.append(_deliver(file, content, user or ""))
    lines.append(call("place_all", f"{at:%Y%m%dT%H%M%SZ}"))
    return Parcel(text=b"".join(lines), stdin=b"".join(contents))


def _deliver(file: FileWork, content: bytes, user: str) -> bytes:
    """Write the line about one file."""
    return call(
        "deliver",
        file.path,
        file.owner or "",
        file.group or "",
        user,
        f"{int(file.mode, 8):04o}",
        len(content),
        hashlib.sha256(content).hexdigest(),
        "yes" if file.backup else "",
        file.validate or "",
    )


def pack_checkout(work: Work, tar: bytes, *, commit: Sha, job: JobId, user: str | None) -> Parcel:
    """Put a checkout together; `user` owns the tree, None: whoever delivers.

    Raises:
        DeclarationError: its path cannot be said to a shell.
    """
    if work.checkout is None:
        raise DeclarationError(f"cannot deliver a tree: task {work.task} has no checkout")
    tree = f"{commit[:DIGITS]}-{job}"
    line = call("check_out", work.checkout.path, work.checkout.releases, tree, user or "")
    return Parcel(text=script(CHECKOUT) + line, stdin=tar)


def pack_guard(step: StepWork, *, user: str | None, workdir: str | None) -> Parcel:
    """Put together what undoes a change unless it is confirmed within the time of the step.

    Raises:
        DeclarationError: something in it cannot be said to a shell.
    """
    within = max(1, round(step.timeout or 1))
    line = call("guard", within, user or "", workdir or "", *_interpreter(step))
    return Parcel(text=script(CONFIRM) + line, stdin=step.text.encode())


def _interpreter(step: StepWork) -> tuple[str, ...]:
    """Say what reads the text of a step: the declared shell, that of its first line, or sh."""
    if step.shell:
        return step.shell
    first = step.text.partition("\n")[0]
    words = first.removeprefix("#!").split(None, 1) if first.startswith("#!") else []
    return tuple(word.strip() for word in words) or ("sh",)
