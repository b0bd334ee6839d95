import errno
import socket

import asyncssh
import pytest

from controller.errors import TransportError, Unreachable
from controller.model.inventory import Server, Ssh
from controller.transport.causes import unreachable

SERVER = Server(name="web", address="10.0.0.1", ssh=Ssh(user="deploy", port=2222))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), Unreachable.DNS),
        (TimeoutError(), Unreachable.TIMEOUT),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), Unreachable.TIMEOUT),
        (OSError(errno.ECONNREFUSED, "refused"), Unreachable.TCP),
        (OSError(errno.EHOSTUNREACH, "no route"), Unreachable.TCP),
        (ConnectionResetError(), Unreachable.TCP),
        (asyncssh.ConnectionLost("Connection lost"), Unreachable.TCP),
        (asyncssh.HostKeyNotVerifiable("no"), Unreachable.HOST_KEY),
        (asyncssh.PermissionDenied("no"), Unreachable.AUTH),
        (asyncssh.KeyExchangeFailed("no"), Unreachable.VERSION),
        (asyncssh.ProtocolError("no"), Unreachable.VERSION),
    ],
)
def test_every_failure_has_its_cause(error: Exception, cause: Unreachable) -> None:
    told = unreachable(SERVER, error)
    assert told.cause is cause
    assert told.message.startswith("cannot reach web (10.0.0.1:2222): ")


def test_a_refused_login_names_user_and_keys_and_the_remedy() -> None:
    told = unreachable(SERVER, asyncssh.PermissionDenied("no"), tried="key deploy_key")
    assert "login as deploy was refused; tried key deploy_key" in told.message
    assert told.hint == (
        "declare ssh: {user, key} or use_agent, and put the public key on the server"
    )


def test_what_is_known_already_passes_as_it_is() -> None:
    error = TransportError("cannot reach gate: closed", cause=Unreachable.SUDO)
    assert unreachable(SERVER, error) is error
