"""Logins of browsers: a random cookie stands for a token that was proved, as long as that is good.

Called by the gate and by the login page. They are kept in memory only: after a restart people log in again, and nothing that lets
anybody in lies on a disk.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.api.settings import ApiSettings

COOKIE: Final = "ctl"
SECURE_COOKIE: Final = "__Host-ctl"
"""Under TLS: browsers take a cookie of this name only from this very host, over TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login: the token it stands for, until when, and what forms must carry."""

    token: str
    until: datetime
    csrf: str


class Sessions:
    """All logins of this process."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._known: OrderedDict[str, Session] = OrderedDict()

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return SECURE_COOKIE if self._settings.tls else COOKIE

    def begin(self, token: str, now: datetime) -> str:
        """Log in; give the value of the cookie. Beyond the bound the oldest login ends."""
        value = secrets.token_urlsafe(32)
        until = now + timedelta(hours=self._settings.session_hours)
        self._known[_key(value)] = Session(token=token, until=until, csrf=secrets.token_urlsafe(32))
        while len(self._known) > self._settings.sessions:
            self._known.popitem(last=False)
        return value

    def find(self, value: str, now: datetime) -> Session | None:
        """Give a login that is good; None where there is none."""
        found = self._known.get(_key(value))
        if found is not None and now >= found.until:
            self.end(value)
            return None
        return found

    def holds(self, session: Session, now: datetime) -> bool:
        """Say whether a login that was found before is good still."""
        return now < session.until and any(one is session for one in self._known.values())

    def end(self, value: str) -> None:
        """Log out."""
        self._known.pop(_key(value), None)

    def header(self, value: str) -> str:
        """Write the header that gives the cookie to a browser; an empty value takes it away."""
        life = int(self._settings.session_hours * 3600) if value else 0
        secure = "; Secure" if self._settings.tls else ""
        return f"{self.cookie}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}"


def _key(value: str) -> str:
    """Keep only a hash, so that no comparison tells how much of a guess was right."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def same(given: str, wanted: str) -> bool:
    """Compare in constant time, whatever letters are given."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def cookie_of(header: str, name: str) -> str | None:
    """Read one cookie; None where it is missing or there twice, because a neighbour may have put one of them there."""
    found = [
        value
        for key, _, value in (part.strip().partition("=") for part in header.split(";"))
        if key == name
    ]
    return found[0] if len(found) == 1 else None
