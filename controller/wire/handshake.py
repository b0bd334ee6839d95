"""Who the two ends are and what both speak: the pure part of the handshake.

`session` and `doorway` call it.
"""

from __future__ import annotations

from dataclasses import field

from controller.wire.errors import ProtocolError
from controller.wire.limits import LIMITS, Limits
from controller.wire.messages.greetings import Facts, Hello, Welcome
from controller.wire.messages.table import To
from controller.wire.record import record

VERSION = 1
"""Of the messages; a new kind or field needs no new one, a changed meaning does."""


@record
class Identity:
    """One end: its name is that of its certificate.

    `instance` is unique to this process; sessions are named after it. `cluster` and `lease` are of a controller, `facts` of
    an agent. Versions from `least` to `most` are spoken.
    """

    side: To
    name: str
    instance: str
    cluster: str = ""
    lease: int = 0
    features: tuple[str, ...] = ()
    facts: Facts = field(default_factory=lambda: Facts(boot_id=""))
    least: int = VERSION
    most: int = VERSION
    limits: Limits = LIMITS


@record
class Agreement:
    """What both ends speak."""

    version: int
    features: tuple[str, ...]


def agree(me: Identity, peer: str, hello: Hello) -> Agreement:
    """Find what an agent and the controller that says hello both speak.

    Raises:
        ProtocolError: the controller is not `peer`, speaks other versions, or says what can't be.
    """
    if hello.controller != peer:
        raise ProtocolError("wrong-name", "the controller's name is not that of its certificate")
    version = min(hello.most, me.most)
    if version < max(hello.least, me.least):
        raise ProtocolError(
            "version",
            f"versions {me.least} to {me.most} are spoken here, {hello.least} to {hello.most} there",
        )
    if not hello.fresh or not hello.instance or not hello.epoch:
        raise ProtocolError("bad-hello", "hello names no instance, epoch or fresh session")
    _check_offer(hello, me.limits)
    return Agreement(
        version=version, features=tuple(sorted(set(me.features) & set(hello.features)))
    )


def check_welcome(me: Identity, peer: str, hello_epoch: int, welcome: Welcome) -> Agreement:
    """Check what an agent made of a hello.

    Raises:
        ProtocolError: the agent is not `peer`, or answers what was not offered.
    """
    if welcome.name != peer:
        raise ProtocolError("wrong-name", "the agent's name is not that of its certificate")
    if not me.least <= welcome.version <= me.most or welcome.epoch != hello_epoch:
        raise ProtocolError("bad-welcome", "welcome answers another hello")
    if not set(welcome.features) <= set(me.features):
        raise ProtocolError("bad-welcome", "welcome names features that were not offered")
    _check_offer(welcome, me.limits)
    return Agreement(version=welcome.version, features=welcome.features)


def _check_offer(greeting: Hello | Welcome, limits: Limits) -> None:
    if len(greeting.features) > limits.features:
        raise ProtocolError("bad-greeting", f"more than {limits.features} features")
    if not greeting.requests or not greeting.streams:
        raise ProtocolError("bad-greeting", "no request or no stream is taken")
