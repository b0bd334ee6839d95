"""How git proves who we are and knows whom it talks to, without a secret in argv, environment or file.

Called by `mirrors` and `tracked`; it calls `url` and `connections`. Token, key and known hosts lie in anonymous memory of this process,
mode 0600; git's askpass helper and ssh read them through /proc, which the kernel opens only to the same user.
"""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.errors import SourceError
from controller.source.connections import Connections
from controller.source.git import Access
from controller.source.url import RemoteUrl, Scheme

ASKPASS: Final = """#!/bin/sh
case "$1" in
  Username*) echo x-access-token ;;
  *) exec cat {token} ;;
esac
"""
SSH: Final = (
    "ssh -F none -oBatchMode=yes -oStrictHostKeyChecking=yes -oGlobalKnownHostsFile=/dev/null"
    " -oUpdateHostKeys=no -oClearAllForwardings=yes -oForwardAgent=no -oForwardX11=no"
    " -oPermitLocalCommand=no -oPasswordAuthentication=no"
    " -oKbdInteractiveAuthentication=no -oConnectTimeout=10 -oServerAliveInterval=15"
    " -oServerAliveCountMax=3 -oLogLevel=ERROR"
)


SINGLE: Final = "-oControlMaster=no -oControlPath=none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What opens one remote.

    `known_hosts` are the pinned hosts, in the format of OpenSSH. `agent` is the socket of a person's ssh agent,
    used with their default keys when a command is given by hand and no key is declared.
    """

    token: str | None = field(default=None, repr=False)
    ssh_key: bytes | None = field(default=None, repr=False)
    known_hosts: bytes = b""
    agent: str | None = None


def identity(url: RemoteUrl, credentials: Credentials) -> bytes:
    """Say as what a remote is reached: whoever has another key, or trusts another host key, needs another connection."""
    agent = (credentials.agent or "").encode()
    said = (url.host, str(url.port), url.user or "")
    parts = [*(word.encode() for word in said), credentials.ssh_key or b"", agent]
    return b"\0".join([*parts, credentials.known_hosts])


@contextmanager
def access_to(
    url: RemoteUrl, credentials: Credentials, folder: Path, *, kept: Connections | None = None
) -> Iterator[Access]:
    """Lend git what it needs for one remote; `folder` holds the askpass helper meanwhile.

    An ssh connection is one of `kept`, or ends with git where there is none.

    Raises:
        SourceError: the hosts of an ssh remote are not pinned, or what was given cannot open this remote.
    """
    _must_fit(url, credentials)
    with ExitStack() as stack:
        match url.scheme:
            case Scheme.SSH:
                environment = {"GIT_SSH_COMMAND": _ssh(url, credentials, stack, kept)}
            case Scheme.HTTPS | Scheme.HTTP if credentials.token is not None:
                environment = {"GIT_ASKPASS": _askpass(credentials.token, folder, stack)}
            case _:
                environment = {"GIT_ASKPASS": "/bin/false"}
        yield Access(protocol=url.scheme, environment=environment)


def _must_fit(url: RemoteUrl, credentials: Credentials) -> None:
    """Refuse what would be ignored: a token over ssh, a key over https, either for a path."""
    if credentials.token is not None and url.scheme not in (Scheme.HTTPS, Scheme.HTTP):
        raise SourceError(
            f"cannot use a token for {url.text}: tokens go with https", hint="take `token:` out"
        )
    if credentials.ssh_key is not None and url.scheme is not Scheme.SSH:
        raise SourceError(
            f"cannot use an ssh key for {url.text}: it is not reached over ssh",
            hint="take `ssh_key:` out",
        )


def _askpass(token: str, folder: Path, stack: ExitStack) -> str:
    value = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise SourceError(
            "cannot use the token: it is empty, or holds spaces or control characters",
            hint="give the secret named by `token:` the bare token",
        )
    program = folder / "askpass"
    stack.callback(program.unlink, missing_ok=True)
    program.unlink(missing_ok=True)
    opened = os.open(program, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    with os.fdopen(opened, "w") as file:
        file.write(ASKPASS.format(token=_in_memory(value.encode(), stack)))
    return str(program)


def _ssh(
    url: RemoteUrl, credentials: Credentials, stack: ExitStack, kept: Connections | None
) -> str:
    if not credentials.known_hosts.strip():
        raise SourceError(
            f"cannot reach {url.host} over ssh: its host key is not pinned",
            hint="ctl trust repo/NAME, then commit keys/known_hosts",
        )
    options = [SSH, f"-oUserKnownHostsFile={_in_memory(credentials.known_hosts, stack)}"]
    if credentials.ssh_key is not None:
        key = credentials.ssh_key.strip() + b"\n"  # ssh reads no key without a last newline
        options.append(f"-oIdentitiesOnly=yes -oIdentityAgent=none -i {_in_memory(key, stack)}")
    else:
        options.append(f"-oIdentityAgent={shlex.quote(credentials.agent or 'none')}")
    options.append(SINGLE if kept is None else kept.options(identity(url, credentials)))
    return " ".join(options)


def _in_memory(value: bytes, stack: ExitStack) -> str:
    handle = os.memfd_create("ctl")
    stack.callback(os.close, handle)
    os.fchmod(handle, 0o600)
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(value)
    return f"/proc/{os.getpid()}/fd/{handle}"
