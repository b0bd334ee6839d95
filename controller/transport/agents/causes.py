"""Why an agent was not reached: exceptions of sockets and TLS, alerts and goodbyes in our words, with a remedy.

Called by `dialer`, `peer` and `listener`; it calls nothing.
"""

import errno
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from controller.errors import ControllerError, SessionLostError, TransportError, Unreachable
from controller.wire.messages.greetings import Goodbye

NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
REVOKED: Final = 23
UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})
NAMES: Final = frozenset({62, 64})
"""Codes of OpenSSL's verification: X509_V_ERR_*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What one thing that went wrong means; `{name}` is filled in."""

    cause: Unreachable
    words: str
    hint: str | None = None


CLOCKS = "compare the clocks of both machines"
ALERTS: Final = {
    "CERTIFICATE_EXPIRED": Reason(
        cause=Unreachable.CLOCK,
        words="our certificate has expired by its clock",
        hint=f"{CLOCKS}, or renew ours: ctl pki renew NAME",
    ),
    "CERTIFICATE_REVOKED": Reason(
        cause=Unreachable.AUTH,
        words="our certificate was revoked",
        hint="ctl pki issue NAME --role controller",
    ),
    "UNKNOWN_CA": Reason(
        cause=Unreachable.AUTH,
        words="it does not know the authority of our certificate",
        hint="give it this authority's ca.crt: ctl agent install --on {name}",
    ),
    "BAD_CERTIFICATE": Reason(
        cause=Unreachable.AUTH,
        words="it refuses our certificate",
        hint=f"{CLOCKS}; its log says why: journalctl -u ctl-agent",
    ),
    "CERTIFICATE_REQUIRED": Reason(
        cause=Unreachable.AUTH, words="it asks for a certificate and we have shown none"
    ),
    "PROTOCOL_VERSION": Reason(cause=Unreachable.TLS, words="it does not speak TLS 1.3"),
    "APPLICATION_PROTOCOL": Reason(
        cause=Unreachable.VERSION, words="it does not speak the agent protocol"
    ),
    "WRONG_VERSION_NUMBER": Reason(
        cause=Unreachable.TLS,
        words="it does not speak TLS",
        hint="check address: and agent: {{port}}",
    ),
}
"""By a part of OpenSSL's name for it; the first that fits counts."""

GOODBYES: Final = {
    "version": Reason(
        cause=Unreachable.VERSION,
        words="no version of the agent protocol is spoken by both",
        hint="bring its agent to this version: ctl agent install --on {name}",
    ),
    "wrong-name": Reason(cause=Unreachable.AUTH, words="its name is not that of its certificate"),
    "revoked": Reason(
        cause=Unreachable.AUTH,
        words="a certificate of one end is not accepted any more",
        hint="ctl pki list shows what was revoked; ctl pki issue {name} --role agent",
    ),
    "busy": Reason(cause=Unreachable.TIMEOUT, words="it serves too many controllers and people"),
    "late": Reason(cause=Unreachable.TIMEOUT, words="it did not greet in time"),
    "silent": Reason(cause=Unreachable.LOST, words="nothing was heard for too long"),
    "stale-lease": Reason(
        cause=Unreachable.AUTH,
        words="another controller of the same state has taken over",
        hint="stop this one, or start it again",
    ),
    "protocol": Reason(cause=Unreachable.VERSION, words="it broke the agent protocol"),
    "restarting": Reason(cause=Unreachable.LOST, words="its agent starts again"),
}

CLOSED: Final = Reason(
    cause=Unreachable.LOST,
    words="the connection ended before it greeted: the network broke, or its agent ended",
    hint="its log may say why: journalctl -u ctl-agent",
)

DECLINED: Final = Reason(
    cause=Unreachable.STATE,
    words="its agent takes no controller now",
    hint="look at its disk (df -h) and its log: journalctl -u ctl-agent",
)
"""A goodbye before the greeting that says more: an agent that cannot write down who may act lets nobody act."""

SOCKET_WORDS: Final = {
    errno.ECONNREFUSED: "nobody listens there",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to it",
}
AGENT_HINT: Final = "is its agent running? ctl agent install --on {name}"


def unreachable(name: str, where: str, error: Exception) -> TransportError:
    """Translate whatever came out of connecting.

    Args:
        name: the server.
        where: what was dialled, as HOST:PORT.
        error: what was raised.
    """
    if isinstance(error, TransportError):
        return error
    return said(name, where, reason_of(error))


def refused(name: str, where: str, error: ControllerError) -> TransportError:
    """Say that the other end is not who it should be."""
    words = error.message.removeprefix("cannot accept the certificate: ")
    why = Reason(cause=Unreachable.AUTH, words=f"its certificate is not accepted: {words}")
    return said(name, where, why)


def unready(name: str, error: ControllerError) -> TransportError:
    """Say that we have nothing to show to an agent."""
    return TransportError(
        f"cannot reach {name}: {error.message}", cause=Unreachable.AUTH, hint=error.hint
    )


def parted(name: str, where: str, goodbye: Goodbye, error: Exception | None) -> TransportError:
    """Say why a connection ended before it was greeted."""
    why = GOODBYES.get(goodbye.reason)
    if goodbye.reason == "closing" and goodbye.message:
        why = DECLINED
    if why is not None:
        more = f" ({goodbye.message[:200]})" if goodbye.message else ""
        return said(name, where, Reason(cause=why.cause, words=f"{why.words}{more}", hint=why.hint))
    if error is not None:
        return unreachable(name, where, error)
    return said(name, where, CLOSED)


def lost(name: str, why: str, *, cause: Unreachable = Unreachable.LOST) -> SessionLostError:
    """Say that a session is over; what was under way may have arrived or not."""
    return SessionLostError(f"lost the agent of {name}: {why}", cause=cause)


def said(name: str, where: str, why: Reason) -> TransportError:
    """Make the error of a reason."""
    place = f"{name} ({where})" if where else name
    return TransportError(
        f"cannot reach {place}: {why.words}",
        cause=why.cause,
        hint=why.hint and why.hint.format(name=name),
    )


def reason_of(error: Exception) -> Reason:
    """Find what an exception means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _verification(error)
    if isinstance(error, ssl.SSLError):
        return _alert(error)
    if isinstance(error, socket.gaierror):
        return Reason(
            cause=Unreachable.DNS,
            words="the name does not resolve",
            hint="check the name, or declare address:",
        )
    if isinstance(error, TimeoutError):
        return Reason(cause=Unreachable.TIMEOUT, words="no answer in time")
    number = error.errno if isinstance(error, OSError) else None
    words = SOCKET_WORDS.get(number or 0, str(error) or type(error).__name__)
    hint = AGENT_HINT if number == errno.ECONNREFUSED else None
    return Reason(cause=Unreachable.TCP, words=words, hint=hint)


def _verification(error: ssl.SSLCertVerificationError) -> Reason:
    """Say what is wrong with the certificate of the other end."""
    code = error.verify_code
    if code in {NOT_YET_VALID, EXPIRED}:
        when = "has expired" if code == EXPIRED else "is not valid yet"
        return Reason(
            cause=Unreachable.CLOCK,
            words=f"its certificate {when} by our clock",
            hint=f"{CLOCKS}, or renew it: ctl pki renew {{name}}",
        )
    if code == REVOKED:
        return Reason(cause=Unreachable.AUTH, words="its certificate was revoked")
    if code in UNKNOWN:
        return Reason(
            cause=Unreachable.AUTH,
            words="its certificate is not of an authority that is trusted here",
            hint="ctl agent install --on {name} gives it one",
        )
    if code in NAMES:
        return Reason(
            cause=Unreachable.AUTH,
            words="its certificate names another server",
            hint="is address: right? else: ctl pki issue {name} --role agent",
        )
    return Reason(
        cause=Unreachable.AUTH, words=f"its certificate is not accepted: {error.verify_message}"
    )


def _alert(error: ssl.SSLError) -> Reason:
    name = (error.reason or "").upper()
    for part, reason in ALERTS.items():
        if part in name:
            return reason
    return Reason(
        cause=Unreachable.TLS, words=f"TLS failed: {name.lower().replace('_', ' ') or str(error)}"
    )
