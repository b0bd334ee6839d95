"""The end of a handshake: the protocol that was chosen, who is there, and whether he is accepted.

`doors` and `dialling` call it; it calls `peer` and `tls`.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.agent.asker import Role
from controller.agent.line import Line
from controller.agent.peer import Peer, PeerError, read_peer
from controller.agent.tls import ALPN, Credentials


def meet(line: Line, roles: Collection[Role], credentials: Credentials) -> Peer:
    """Say who is at the other end.

    Args:
        line: its handshake is done.
        roles: who is expected.
        credentials: know who was revoked.

    Raises:
        PeerError: nobody who is accepted.
    """
    if line.alpn != ALPN:
        raise PeerError(f"it speaks another protocol than {ALPN}")
    peer = read_peer(line.certificate, roles)
    objection = credentials.objection(peer)
    if objection:
        raise PeerError(objection)
    return peer
