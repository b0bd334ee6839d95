"""Values in the key-value store of a HashiCorp Vault, version 2 or 1, over HTTP.

Called by `sources`. One request for each value: no redirect is followed, and no proxy is asked, so that the token goes to the
named host alone; plain HTTP only to this machine.
"""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from controller.secrets.disk import LARGEST, read_value
from controller.secrets.identities import CREDENTIALS
from controller.secrets.trouble import ReadingError

SECONDS: Final = 10
"""How long connecting may take, each wait, and the whole answer."""
LARGEST_ANSWER: Final = 1 << 20
TOKEN_CREDENTIAL: Final = "vault-token"  # noqa: S105  # a name
_REASONS: Final = {
    400: "it did not understand the request",
    403: "the token may not read that path",
    404: "there is nothing at that path",
    429: "it is asked too often",
    473: "it is a standby that does not answer",
    503: "it is sealed or down for maintenance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """A Vault and how to log in there; the token is only found when something is read."""

    host: str
    port: int
    tls: bool
    prefix: str
    environment: Mapping[str, str] = field(repr=False)
    home: Path

    def read(self, path: str, key: str) -> bytes:
        """Read one value.

        Args:
            path: as the API has it: kv/data/shop for version 2, secret/shop for version 1.
            key: which value there.

        Raises:
            ReadingError: Vault does not answer, refuses, or has no such value.
        """
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self.environment.get("VAULT_NAMESPACE"):
            headers["X-Vault-Namespace"] = _header("VAULT_NAMESPACE", self.environment)
        status, body = self._ask(f"{self.prefix}/v1/{quote(path)}", headers)
        if status != http.HTTPStatus.OK:
            why = _REASONS.get(status, f"it answered {status}")
            if http.HTTPStatus.MULTIPLE_CHOICES <= status < http.HTTPStatus.BAD_REQUEST:
                why = "it sends us elsewhere, where the token does not go"
            raise ReadingError(f"vault {path}: {why}", hint=_hint(status))
        return _value(body, path, key)

    def _token(self) -> str:
        """Find the token: VAULT_TOKEN, the credential `vault-token`, VAULT_TOKEN_FILE, ~/.vault-token."""
        if self.environment.get("VAULT_TOKEN"):
            return _header("VAULT_TOKEN", self.environment)
        folder = self.environment.get(CREDENTIALS)
        places = [Path(folder) / TOKEN_CREDENTIAL] if folder else []
        named = self.environment.get("VAULT_TOKEN_FILE")
        places += [Path(named) if named else self.home / ".vault-token"]
        for place in places:
            if place.exists():
                token = read_value(place, shown=f"vault token {place}").decode("ascii", "replace")
                return _header("the token", {"the token": token})
        raise ReadingError(
            "there is no token for vault", hint="set VAULT_TOKEN or VAULT_TOKEN_FILE"
        )

    def _ask(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        shown = f"vault {self.host}:{self.port}"
        connection = self._connection()
        try:
            connection.connect()
            with _Deadline(connection.sock):
                connection.request("GET", path, headers=dict(headers))
                with connection.getresponse() as answer:
                    body = answer.read(LARGEST_ANSWER + 1)
                    missing = answer.length
        except ssl.SSLCertVerificationError as error:
            raise ReadingError(
                f"{shown}: its certificate is not trusted: {error.verify_message.rstrip('.').lower()}",
                hint="name its authority in VAULT_CACERT",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise ReadingError(f"{shown} does not answer: {str(why).lower()}") from None
        finally:
            connection.close()
        if missing and len(body) <= LARGEST_ANSWER:
            raise ReadingError(f"{shown} does not answer: it broke off")
        if len(body) > LARGEST_ANSWER:
            raise ReadingError(f"{shown} answered over {LARGEST_ANSWER >> 10} KiB")
        return answer.status, body

    def _connection(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        authority = self.environment.get("VAULT_CACERT") or None
        try:
            context = ssl.create_default_context(cafile=authority)
        except (OSError, ssl.SSLError):
            raise ReadingError(f"vault: cannot use VAULT_CACERT {authority}") from None
        return http.client.HTTPSConnection(self.host, self.port, timeout=SECONDS, context=context)


class _Deadline:
    """Ends a connection that takes too long as a whole: the answer then breaks off."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._alarm = threading.Timer(SECONDS, self._end)

    def __enter__(self) -> None:
        self._alarm.start()

    def __exit__(self, *_error: object) -> None:
        self._alarm.cancel()
        self._alarm.join()

    def _end(self) -> None:
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def vault_of(environment: Mapping[str, str], home: Path) -> Vault:
    """Find the Vault that VAULT_ADDR names.

    Raises:
        ReadingError: it names none, or one that a token would reach in clear.
    """
    address = environment.get("VAULT_ADDR", "")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.query:
        raise ReadingError(
            "VAULT_ADDR names no vault" if address else "VAULT_ADDR is not set",
            hint="such as VAULT_ADDR=https://vault.example.com:8200",
        )
    tls = parts.scheme == "https"
    if not tls and not _is_loopback(host):
        raise ReadingError(
            f"vault {host}: the token would travel in clear", hint="use https in VAULT_ADDR"
        )
    return Vault(
        host=host,
        port=port or (443 if tls else 80),
        tls=tls,
        prefix=parts.path.rstrip("/"),
        environment=environment,
        home=home,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _header(name: str, environment: Mapping[str, str]) -> str:
    value = environment[name].strip()
    if not value.isascii() or not value.isprintable() or len(value) > LARGEST:
        raise ReadingError(f"{name} is not for a header: it has odd characters")
    return value


def _hint(status: int) -> str | None:
    if status == http.HTTPStatus.FORBIDDEN:
        return "look at its policy: vault token capabilities PATH"
    if status == http.HTTPStatus.NOT_FOUND:
        return "with version 2 of the store, the path has /data/ after the mount"
    return None


def _value(body: bytes, path: str, key: str) -> bytes:
    """Find the value: version 2 has it one level deeper, beside the metadata of that version."""
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError):
        raise ReadingError(f"vault {path}: its answer is no JSON") from None
    data = answer.get("data") if isinstance(answer, dict) else None
    inner = data.get("data") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(data.get("metadata"), dict):
        data = inner
    if not isinstance(data, dict) or key not in data:
        raise ReadingError(f"vault {path}: it has no key {ascii(key[:60])[1:-1]}")
    found = data[key]
    if not isinstance(found, str):
        found = json.dumps(found)
    value = found.encode("utf-8", "surrogateescape")
    if not value.strip() or len(value) > LARGEST:
        raise ReadingError(f"vault {path}: its key {key} is empty or over {LARGEST >> 10} KiB")
    return value
