"""Addresses of git remotes, judged before git sees them.

Called by the rules of `declaration` (through `reconcile`), by `mirrors` and by `ctl trust`; pure. Accepted are https,
ssh, `user@host:path`, `file://` and absolute paths; plain http only to this machine, because a token would
travel in clear.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote, urlsplit

from controller.errors import SourceError

LONGEST: Final = 2048
HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")
SHORT: Final = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]/]+\]|[^:/@\[\]]+):(?P<path>.+)")
HELPER: Final = re.compile(r"[A-Za-z0-9+.-]*::")
LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
PORTS: Final = {"https": 443, "http": 80, "ssh": 22}
REMEDY: Final = "write https://host/path.git, ssh://user@host/path.git, user@host:path.git or /path"


class Scheme(StrEnum):
    """How a remote is reached."""

    HTTPS = "https"
    HTTP = "http"
    SSH = "ssh"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteUrl:
    """One remote: `text` is what git is given; `host` and `port` are those to pin, empty and 0 for a path."""

    text: str
    scheme: Scheme
    path: str
    host: str = ""
    port: int = 0
    user: str | None = None


def parse(url: str, *, files: bool = True) -> RemoteUrl:
    """Judge the address of a git remote.

    Args:
        url: what a declaration or a person says.
        files: whether it may be a path of this machine. A daemon reads with rights that the author of a declaration
            may not have, so that it is started with a flag for that.

    Raises:
        SourceError: it is not one of the accepted forms, carries what must not be in it, or is not allowed.
    """
    found = _parse(url)
    if found.scheme is Scheme.FILE and not files:
        raise _refuse(
            url, "it is a path of this machine", hint="ctl serve --allow file-repos, or use https"
        )
    return found


def _parse(url: str) -> RemoteUrl:
    if not url or len(url) > LONGEST:
        raise _refuse(url[:80], f"expected 1 to {LONGEST} characters")
    if _unprintable(url) or _unprintable(unquote(url)):
        raise _refuse(url, "it holds spaces or control characters")
    if url.startswith("-"):
        raise _refuse(url, "it begins with '-'")
    if HELPER.match(url):
        raise _refuse(url, "remote helpers (`name::address`) run programs")
    if url.startswith("/"):
        return RemoteUrl(text=url, scheme=Scheme.FILE, path=url)
    if "://" in url:
        return _long(url)
    return _short(url)


def _long(url: str) -> RemoteUrl:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refuse(url, str(error)) from None
    if parts.scheme not in tuple(Scheme):
        raise _refuse(url, f"the scheme {parts.scheme!r} is not supported")
    if parts.query or parts.fragment:
        raise _refuse(url, "it has a query or a fragment")
    if parts.password is not None:
        shown = url.replace(parts.netloc, parts.netloc.rpartition("@")[2])
        raise SourceError(
            f"cannot use git address {shown!r}: it holds a password",
            hint="take it out and name a secret in `token:`",
        )
    scheme = Scheme(parts.scheme)
    if scheme is Scheme.FILE:
        return _file(url, parts.netloc, unquote(parts.path))
    host = parts.netloc.rpartition("@")[2]
    host = re.sub(r":\d*$", "", host)
    if scheme is Scheme.HTTP and host.lower() not in LOOPBACK:
        raise _refuse(url, "plain http is read and changed by anyone on the way", hint="use https")
    return RemoteUrl(
        text=url,
        scheme=scheme,
        path=_path(url, parts.path.lstrip("/")),
        host=_host(url, host),
        port=port or PORTS[scheme],
        user=_user(url, parts.username),
    )


def _file(url: str, host: str, path: str) -> RemoteUrl:
    if host or not path.startswith("/"):
        raise _refuse(url, "a file address has no host and an absolute path")
    return RemoteUrl(text=url, scheme=Scheme.FILE, path=path)


def _short(url: str) -> RemoteUrl:
    found = SHORT.fullmatch(url)
    if found is None:
        raise _refuse(url, "it is neither an address nor an absolute path")
    return RemoteUrl(
        text=url,
        scheme=Scheme.SSH,
        path=_path(url, found["path"]),
        host=_host(url, found["host"]),
        port=PORTS["ssh"],
        user=_user(url, found["user"]),
    )


def _host(url: str, host: str) -> str:
    if HOST.fullmatch(host) is None:
        raise _refuse(url, f"{host!r} is not a host name")
    return host.strip("[]")


def _user(url: str, user: str | None) -> str | None:
    if user is not None and USER.fullmatch(user) is None:
        raise _refuse(url, f"{user!r} is not a user name")
    return user


def _path(url: str, path: str) -> str:
    if not path or path.startswith("-"):
        raise _refuse(url, "it names no repository")
    return path


def _unprintable(text: str) -> bool:
    return any(not letter.isprintable() or letter.isspace() for letter in text)


def _refuse(url: str, why: str, *, hint: str = REMEDY) -> SourceError:
    plain = why.encode("ascii", "backslashreplace").decode()
    return SourceError(f"cannot use git address {url!a}: {plain}", hint=hint)
