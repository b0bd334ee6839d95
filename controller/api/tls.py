"""TLS of the API: what it shows, and which certificates of people it takes.

Called by `server`, which asks for a context at each handshake, and by the gate, which reads what a connection has shown. Browsers speak TLS
1.2 still; a certificate counts over TLS 1.3 alone, where nobody on the way sees it and no old signature stands for it.
"""

import logging
import ssl
from asyncio import BaseTransport
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.api.settings import Tls
from controller.errors import UsageError

LOG: Final = logging.getLogger("ctl.api")
NEWEST: Final = "TLSv1.3"
NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are looked at with each request, which can say what is wrong with them."""
STATE: Final = "ctl.shown"
"""Where the server puts what a connection has shown, in the state of each request."""

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The certificate that a connection has shown: our authority signed it, and whoever shows it has its key."""

    der: bytes
    version: str

    @property
    def strong(self) -> bool:
        """Whether it was shown in a way that counts."""
        return self.version == NEWEST


class Contexts:
    """The context of each handshake, made anew when a file has changed, as by a renewal or a rotation.

    Raises:
        UsageError: a file cannot be read, or certificate and key do not belong together.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._files = (tls.certificate, tls.key, *(() if tls.trust is None else (tls.trust,)))
        self._context = context_of(tls)
        self._stamp = self._look()

    def now(self) -> ssl.SSLContext:
        """Give the context of files as they are; while they do not fit, such as halfway through a change, that of before."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = context_of(self._tls)
            except UsageError as error:
                LOG.warning("%s; what was read before is shown still", error)
        return self._context

    def _look(self) -> Stamp:
        try:
            found = [path.stat() for path in self._files]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def context_of(tls: Tls) -> ssl.SSLContext:
    """Read certificate and key, and whose certificates are taken.

    Raises:
        UsageError: they cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"cannot use the certificate {tls.certificate} with the key {tls.key}: {error.strerror or error}",
            hint="--tls-cert and --tls-key take PEM files that belong together",
        ) from error
    if tls.trust is not None:
        _ask(context, tls.trust)
    return context


def _ask(context: ssl.SSLContext, trust: Path) -> None:
    """Ask who comes for a certificate of our authority, without demanding one."""
    try:
        context.load_verify_locations(trust)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"cannot read the authorities in {trust}: {error.strerror or error}",
            hint="--pki DIR names a folder with a ca.crt; without one, certificates are no login",
        ) from error
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.num_tickets = 0  # nobody resumes: each connection shows its certificate


def shown_by(transport: BaseTransport) -> Shown | None:
    """Read what the other end of a connection has shown; None where it has shown nothing."""
    link = transport.get_extra_info("ssl_object")
    der = None if link is None else link.getpeercert(binary_form=True)
    return None if not der else Shown(der=der, version=link.version() or "")


def shown_in(scope: Mapping[str, object]) -> Shown | None:
    """Read what the connection of a request has shown."""
    state = scope.get("state")
    found = state.get(STATE) if isinstance(state, Mapping) else None
    return found if isinstance(found, Shown) else None
