"""TLS towards a serving controller: whom to trust, and what to show.

Called by `client`. What reads certificates is loaded only where one is looked for.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.cli.remote.way import Way
from controller.errors import UsageError
from controller.pki.contexts import Identity, show
from controller.settings import Papers

TRUST: Final = "ca.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How TLS begins: the context, True where there is no TLS to begin; and the certificate that is shown, if any."""

    verify: ssl.SSLContext | bool
    shown: Path | None = None


def trust_of(way: Way) -> Trust:
    """Say whom to trust, and show who asks where there is a certificate for it.

    Raises:
        UsageError: the file of authorities cannot be read.
        NotFoundError: several certificates could be meant, or the one that was named is not there.
        StateError: certificate or key cannot be read, or do not belong together.
    """
    if not way.url.startswith("https:"):
        return Trust(verify=True)
    own = _identity(way)
    beside = None if own is None else own.certificate.with_name(TRUST)
    context = _trusting(way.ca, beside)
    if own is None:
        return Trust(verify=context)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    show(context, own)
    return Trust(verify=context, shown=own.certificate)


def _trusting(ca: Path | None, beside: Path | None) -> ssl.SSLContext:
    """Trust what was named, else the authorities of this machine, and the one that signed what we show."""
    named = beside if ca is None and beside is not None and beside.exists() else ca
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        if named is not None:
            context.load_verify_locations(named)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot use the authorities in {named}: {error}") from error
    return context


def _identity(way: Way) -> Identity | None:
    """Give what is shown: what the context names, else a person's certificate from where certificates are kept."""
    if way.certificate is not None and way.key is not None:
        return Identity(certificate=way.certificate, key=way.key)
    return None if way.papers is None else _searched(way.papers)


def _searched(papers: Papers) -> Identity | None:
    """Look for the certificate of a person; that of a controller or an agent is no login."""
    from controller.pki.role import Role
    from controller.transport.agents.papers import ACTING, Papers as Folder

    folder = Folder(papers.folder, papers.name, ACTING if papers.name else (Role.ADMIN, Role.USER))
    found = folder.found
    return None if found is None or found.role is Role.CONTROLLER else folder.identity
