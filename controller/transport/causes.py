"""Why a server was not reached: exceptions of sockets and ssh in our words, with a remedy.

Called by `ssh` and `hostkeys` at their border; it calls nothing.
"""

import errno
import socket
from dataclasses import dataclass
from typing import Final

import asyncssh

from controller.errors import TransportError, Unreachable
from controller.model.inventory import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What one kind of exception means; `{name}`, `{user}` and `{error}` are filled in."""

    kinds: tuple[type[Exception], ...]
    cause: Unreachable
    words: str
    hint: str | None = None


TRANSLATIONS: Final = (
    Translation(
        kinds=(asyncssh.HostKeyNotVerifiable,),
        cause=Unreachable.HOST_KEY,
        words="its host key is not pinned, or not the pinned one",
        hint="compare it and pin it: ctl trust {name}",
    ),
    Translation(
        kinds=(asyncssh.PermissionDenied,),
        cause=Unreachable.AUTH,
        words="login as {user} was refused",
        hint="declare ssh: {{user, key}} or use_agent, and put the public key on the server",
    ),
    Translation(
        kinds=(asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported, asyncssh.ProtocolError),
        cause=Unreachable.VERSION,
        words="it does not speak ssh as we do: {error}",
        hint="it needs curve25519 or ecdh, and aes-gcm or aes256-ctr",
    ),
    Translation(
        kinds=(socket.gaierror,),
        cause=Unreachable.DNS,
        words="the name does not resolve",
        hint="check the name, or declare address:",
    ),
    Translation(kinds=(TimeoutError,), cause=Unreachable.TIMEOUT, words="no answer in time"),
    Translation(
        kinds=(asyncssh.DisconnectError, ConnectionResetError, BrokenPipeError),
        cause=Unreachable.TCP,
        words="it closed the connection: {error}",
    ),
)
"""The first that fits counts; everything else is a fault of the network."""

SOCKET_WORDS: Final = {
    errno.ECONNREFUSED: "nobody listens there",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to it",
}


def unreachable(server: Server, error: Exception, *, tried: str = "") -> TransportError:
    """Translate whatever came out of connecting.

    Args:
        server: the server that was dialled.
        error: what was raised.
        tried: which keys were offered, for messages about authentication.
    """
    if isinstance(error, TransportError):
        return error
    where = f"cannot reach {server.name} ({server.address}:{server.ssh.port})"
    user = server.ssh.user or "the current user"
    for known in TRANSLATIONS:
        if isinstance(error, known.kinds):
            words = known.words.format(user=user, error=error)
            if tried and known.cause is Unreachable.AUTH:
                words = f"{words}; tried {tried}"
            hint = known.hint and known.hint.format(name=server.name)
            return TransportError(f"{where}: {words}", cause=known.cause, hint=hint)
    number = error.errno if isinstance(error, OSError) else None
    words = SOCKET_WORDS.get(number or 0, str(error) or type(error).__name__)
    return TransportError(f"{where}: {words}", cause=Unreachable.TCP)
