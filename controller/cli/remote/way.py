"""The way to a serving controller: its address, what says who asks, and whom to trust. Read from flags, environment and the person's contexts."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from controller.errors import UsageError
from controller.settings import Papers, Settings

MOST: Final = 4096
"""Bytes of a token file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a controller serves. `token` None: asked without one; `ca` None: the authorities of this machine.

    `certificate` and `key` are shown where they are named; `papers` are searched for a person's where neither they nor a token are.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    papers: Papers | None = None


def is_remote(settings: Settings) -> bool:
    """Say whether a command speaks to a serving controller; a state that was named here comes before a context."""
    where = settings.where
    return where.controller is not None or (where.context is not None and where.state is None)


def way_of(settings: Settings) -> Way:
    """Find the way.

    Raises:
        UsageError: the context is unknown, the address or the token file cannot be used, or a certificate has no TLS to be shown over.
    """
    where, own = settings.where, settings.token
    context = None
    if where.controller is None:
        name = where.context or ""
        context = where.contexts.get(name)
        if context is None:
            known = ", ".join(sorted(where.contexts)) or "none"
            raise UsageError(
                f'there is no context "{name}"', hint=f"{settings.person.settings_file} has {known}"
            )
    file = own.file or (None if context is None else context.token_file)
    if own.value:
        token: str | None = _checked(own.value, "CTL_TOKEN")
    else:
        token = None if file is None else _read(file)
    url = check_url(where.controller or (context.url if context else ""), secret=token is not None)
    if context is None:
        return Way(url=url, token=token, papers=searched(settings, url, token))
    if context.certificate is not None and not url.startswith("https:"):
        raise UsageError(
            f"cannot show a certificate to {url}: it does not speak TLS", hint="use https"
        )
    return Way(
        url=url,
        token=token,
        ca=context.ca,
        certificate=context.certificate,
        key=context.key,
        papers=None if context.certificate else searched(settings, url, token),
    )


def searched(settings: Settings, url: str, token: str | None) -> Papers | None:
    """Say where to look for a certificate: a token comes before it, and it is shown over TLS alone."""
    return settings.papers if token is None and url.startswith("https:") else None


def check_url(text: str, *, secret: bool) -> str:
    """Refuse an address that is none, or over which a token would travel in clear.

    Raises:
        UsageError: it is one of these.
    """
    parts = urlsplit(text)
    odd = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or odd:
        raise UsageError(
            f'--controller takes a URL, not "{text}"', hint="such as https://ctl.example.com"
        )
    if secret and parts.scheme == "http" and not is_here(parts.hostname):
        raise UsageError(
            f"cannot send a token to {text}: everybody on the way could read it",
            hint="use https, or an ssh tunnel to 127.0.0.1",
        )
    return text.rstrip("/")


def is_here(host: str) -> bool:
    """Say whether a host is this machine by its very name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(path: Path) -> str:
    """Read a token from its file.

    Raises:
        UsageError: it cannot be read, or holds no token.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"cannot read the token file {path}: {error.strerror or error}") from error
    return _checked(text, f"the token file {path}")


def _checked(text: str, where: str) -> str:
    """Refuse what cannot be a token; what it is instead is not told.

    Raises:
        UsageError: it is none.
    """
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"cannot use {where}: it holds no token")
    return token
