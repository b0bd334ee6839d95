"""The one function that runs git, and what every call of it carries.

Called by the other files of this room only; it calls git through GitPython. The argument list is made of constants
and of values that were judged before; the environment is built from nothing by `env -i`, because GitPython
hands over its own. Configuration of the machine and of the person, hooks, attributes, submodules, redirects and
credential helpers are off. Time, output and disk are bounded, and the whole process group dies at the bound.
"""

import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from controller.errors import SourceError
from controller.source.watch import Limits, Watch

try:
    from git import Git
    from git.exc import GitCommandNotFound
except ImportError as error:  # GitPython refuses to be imported where git is missing
    raise SourceError(f"cannot use git: {error}", hint="apt-get install git") from error

ENV: Final = "/usr/bin/env"
CONSTANTS: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_DEFAULT_REF_FORMAT": "files",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_SSH_VARIANT": "ssh",
}
SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.fsmonitor=false",
    "core.symlinks=false",
    "core.quotePath=false",
    "core.bigFileThreshold=8m",
    "core.packedGitWindowSize=32m",
    "core.packedGitLimit=256m",
    "core.pager=cat",
    "color.ui=false",
    "credential.helper=",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    "transfer.unpackLimit=1",
    "fetch.unpackLimit=1",
    "transfer.bundleURI=false",
    "transfer.credentialsInUrl=die",
    "fetch.recurseSubmodules=no",
    "submodule.recurse=false",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=30",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "protocol.version=2",
    "log.showSignature=false",
    "i18n.logOutputEncoding=UTF-8",
    "safe.bareRepository=explicit",
)
BLOCK: Final = 65_536
COMPLAINT: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a call may reach: one protocol, and more constants of environment and configuration."""

    protocol: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one call of git ended."""

    code: int
    output: bytes
    complaint: str

    def lines(self) -> list[str]:
        """Give the output as lines of text."""
        text = self.output.decode(errors="replace").removesuffix("\n")
        return text.split("\n") if text else []


NOWHERE: Final = Access()
BOUNDS: Final = Limits()


def run_git(
    arguments: Sequence[str],
    *,
    folder: Path,
    bare: Path | None = None,
    access: Access = NOWHERE,
    limits: Limits = BOUNDS,
    stdin: bytes = b"",
    halt: threading.Event | None = None,
) -> Answer:
    """Run git in `folder` (on the repository `bare`, if given) and collect what it says; blocks.

    A code that is not zero is an answer. Setting `halt` ends the call within a moment.

    Raises:
        SourceError: git or the folder is missing, git was halted, or went past a bound.
    """
    if not folder.is_dir():  # GitPython would run in the present folder instead
        raise SourceError(f"cannot run git in {folder}: there is no such folder")
    watch = Watch(limits=limits, halt=halt or threading.Event(), what=f"git {arguments[0]}")
    with tempfile.TemporaryFile() as questions:
        questions.write(stdin)
        questions.seek(0)
        process = _start(_command(arguments, bare, access), folder, questions)
        with watch.over(process):
            output, complaint = _collect(process, watch)
    if watch.trouble is not None:
        raise SourceError(watch.trouble, hint=watch.hint)
    return Answer(
        code=process.returncode, output=output, complaint=complaint.decode(errors="replace")
    )


def _command(arguments: Sequence[str], bare: Path | None, access: Access) -> list[str]:
    environment = {**CONSTANTS, **access.environment}
    settings = list(SETTINGS)
    if access.protocol is not None:
        environment["GIT_ALLOW_PROTOCOL"] = access.protocol
        settings.append(f"protocol.{access.protocol}.allow=always")
    settings += access.settings
    command = [ENV, "-i", *(f"{name}={value}" for name, value in environment.items()), "git"]
    command += ["--no-pager", *([f"--git-dir={bare}"] if bare is not None else [])]
    for setting in settings:
        command += ["-c", setting]
    return [*command, *arguments]


def _start(command: Sequence[str], folder: Path, questions: IO[bytes]) -> "subprocess.Popen[bytes]":
    try:
        handle = Git(folder).execute(
            command,
            istream=questions.fileno(),
            as_process=True,
            shell=False,
            start_new_session=True,
        )
    except (GitCommandNotFound, OSError) as error:
        raise SourceError(
            f"cannot start git in {folder}: {error}", hint="apt-get install git"
        ) from error
    process: subprocess.Popen[bytes] | None = handle.proc
    handle.proc = None  # its finaliser would end a process that is ours to reap
    if process is None:
        raise SourceError(f"cannot start git in {folder}")
    return process


def _collect(process: "subprocess.Popen[bytes]", watch: Watch) -> tuple[bytes, bytes]:
    if process.stdout is None or process.stderr is None:
        raise SourceError("cannot read what git says")
    complaint = bytearray()
    with process.stdout as output, process.stderr as errors:
        listener = threading.Thread(target=_listen, args=(errors, complaint), daemon=True)
        listener.start()
        said = bytearray()
        while block := output.read(BLOCK):
            said += block
            if len(said) > watch.limits.output:
                watch.stop(f"it said more than {watch.limits.output >> 20} MiB")
                break
        process.wait()
        watch.kill()  # a helper that outlived git would hold the pipe open
        listener.join()
    return bytes(said), bytes(complaint)


def _listen(errors: IO[bytes], complaint: bytearray) -> None:
    while block := errors.read(BLOCK):
        complaint += block[: max(0, COMPLAINT - len(complaint))]
