"""Who asks by a certificate: the name in it, and what its role lets them do.

Pure. Called by `api` when a certificate was found good; what the rules of `access` add to it is said in `rights`.
"""

from typing import Final

from controller.model.token import CERTIFICATE, Actor, Role
from controller.pki.peer import Peer
from controller.pki.role import Role as PaperRole

ROLES: Final = {PaperRole.ADMIN: Role.ADMIN, PaperRole.USER: Role.VIEWER}
"""What each role has without any rule; agents and controllers are no people, and have none."""
MOST: Final = {PaperRole.ADMIN: Role.ADMIN, PaperRole.USER: Role.OPERATOR}
"""What a rule may give at most: who is an admin is said by the authority, not by a commit."""


def actor_of(peer: Peer) -> Actor:
    """Say who asks by a certificate that is good."""
    return Actor(
        name=peer.name,
        role=ROLES.get(peer.role),
        most=MOST.get(peer.role),
        kind=CERTIFICATE,
        id=peer.serial,
    )
