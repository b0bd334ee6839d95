"""Whether the sender of a webhook knows the secret, judged over the bytes that came, before anything reads them.

Called by `source.webhook`; calls nobody. One header decides, the most telling of those that are there: a wrong one is not made
good by a right one beside it. Digests are compared in constant time.
"""

import base64
import binascii
import hashlib
import hmac
import re
from datetime import datetime
from typing import Final

from controller.source.webhooks.headers import Headers
from controller.source.webhooks.kinds import Kind
from controller.source.webhooks.refusals import HookRefusedError

HEX: Final = re.compile(rb"[0-9a-fA-F]{64}")
SHA256: Final = b"sha256="
HEXADECIMAL: Final = (
    (b"x-forgejo-signature", b"", Kind.FORGEJO),
    (b"x-gitea-signature", b"", Kind.GITEA),
    (b"x-gogs-signature", b"", Kind.GOGS),
    (b"x-hub-signature-256", SHA256, Kind.GITHUB),
    (b"x-hub-signature", SHA256, Kind.BITBUCKET),
    (b"x-signature", SHA256, Kind.GENERIC),
)
"""Header, what stands before the digits, and whose it is. Gitea and Forgejo send those of their ancestors too: they come first."""
SIGNATURES: Final = b"webhook-signature"
TOKEN: Final = b"x-gitlab-token"
ENCODED: Final = b"whsec_"
TOLERANCE: Final = 300.0
"""Seconds by which a signed time may differ from ours."""
MOST_SIGNATURES: Final = 16
STAMP: Final = re.compile(rb"[0-9]{1,11}")
CLOUD: Final = (b"repo:push", b"pullrequest:", b"issue:")


def verify(headers: Headers, body: bytes, secret: bytes, *, now: datetime) -> Kind:
    """Say by whose rules a request is signed with the secret.

    Raises:
        HookRefusedError: it is not.
    """
    key = secret.rstrip(b"\r\n")
    if not key:
        raise HookRefusedError("the secret is empty")
    if _stands_alone(headers, key):
        _must_be_standard(headers, body, key, now)
        return Kind.GITLAB if b"x-gitlab-event" in headers else Kind.STANDARD
    if TOKEN in headers:
        _must_equal(hashlib.sha256(headers[TOKEN]).digest(), hashlib.sha256(key).digest())
        return Kind.GITLAB
    for header, prefix, kind in HEXADECIMAL:
        if header in headers:
            _must_be_hexadecimal(headers[header], prefix, hmac.digest(key, body, "sha256"))
            return _bitbucket(headers) if kind is Kind.BITBUCKET else kind
    raise HookRefusedError("it is not signed")


def _stands_alone(headers: Headers, key: bytes) -> bool:
    """Whether the standard signature decides: GitLab may send its older token beside it."""
    return SIGNATURES in headers and (TOKEN not in headers or key.startswith(ENCODED))


def _must_be_hexadecimal(value: bytes, prefix: bytes, wanted: bytes) -> None:
    digits = value.removeprefix(prefix)
    if not value.startswith(prefix) or HEX.fullmatch(digits) is None:
        raise HookRefusedError("the signature is no SHA-256 in hexadecimal digits")
    _must_equal(bytes.fromhex(digits.decode()), wanted)


def _must_be_standard(headers: Headers, body: bytes, key: bytes, now: datetime) -> None:
    """Check `id.timestamp.body` as Standard Webhooks has it; one right signature of several is enough."""
    stamp = headers.get(b"webhook-timestamp", b"")
    name = headers.get(b"webhook-id", b"")
    if STAMP.fullmatch(stamp) is None or not name:
        raise HookRefusedError("the signed time or the id is missing")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise HookRefusedError(f"it was signed more than {TOLERANCE:.0f} s from now")
    wanted = hmac.digest(_decoded(key), b".".join((name, stamp, body)), "sha256")
    given = headers[SIGNATURES].split()
    if len(given) > MOST_SIGNATURES:
        raise HookRefusedError(f"more than {MOST_SIGNATURES} signatures")
    known = [word.removeprefix(b"v1,") for word in given if word.startswith(b"v1,")]
    right = [hmac.compare_digest(word, base64.b64encode(wanted)) for word in known]
    if not any(right):
        raise HookRefusedError("the signature does not fit")


def _decoded(key: bytes) -> bytes:
    """Give the bytes of a `whsec_` key; any other secret is taken as it is."""
    if not key.startswith(ENCODED):
        return key
    try:
        found = base64.b64decode(key.removeprefix(ENCODED), validate=True)
    except binascii.Error:
        found = b""
    if not found:
        raise HookRefusedError("the secret begins with whsec_ but holds no base64")
    return found


def _must_equal(given: bytes, wanted: bytes) -> None:
    if not hmac.compare_digest(given, wanted):
        raise HookRefusedError("the signature does not fit")


def _bitbucket(headers: Headers) -> Kind:
    """Tell the cloud from the server, which sign alike."""
    event = headers.get(b"x-event-key", b"")
    cloud = b"x-hook-uuid" in headers or not event or event.startswith(CLOUD)
    return Kind.BITBUCKET if cloud else Kind.BITBUCKET_SERVER
