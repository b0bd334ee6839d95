"""Subject alternative names: the names and addresses a machine is found by.

Written as `DNS:web-1.example.com`, `IP:10.0.0.5`, `email:ops@example.com`, `URI:spiffe://example.com/ops`; the ledger keeps them
so. Called by `authority`, `leaf` and `details`. Pure.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from cryptography import x509

from controller.errors import UsageError
from controller.pki.role import PEOPLE, Role

MOST: Final = 32
"""Alternative names of one certificate."""

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_EMAIL: Final = re.compile(rf"[A-Za-z0-9._+-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]{1,31}://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,400}")
_KINDS: Final = {"dns": "DNS", "ip": "IP", "email": "email", "uri": "URI"}
_LONGEST: Final = 253


def settle(name: str, role: Role, wished: Iterable[str]) -> tuple[str, ...]:
    """Give the alternative names of a certificate, each once, its own name first.

    Machines always carry their own name, because TLS looks for it here and not in the CN. People carry only what was wished
    for, an address for mail or a URI: nothing ever dials them.

    Raises:
        UsageError: one of them is no name, is a wildcard, or does not fit the role.
    """
    first = () if role in PEOPLE else (_own(name),)
    found = tuple(dict.fromkeys((*first, *(_read(text, role) for text in wished))))
    if len(found) > MOST:
        raise UsageError(
            f"cannot put {len(found)} alternative names into one certificate",
            hint=f"{MOST} at most",
        )
    return found


def own(name: str) -> str | None:
    """Write the name of a machine as the alternative name it has to carry; None when it cannot be one."""
    try:
        return f"IP:{ipaddress.ip_address(name)}" if "%" not in name else None
    except ValueError:
        return f"DNS:{name}" if len(name) <= _LONGEST and _DNS.fullmatch(name) else None


def general(text: str) -> x509.GeneralName:
    """Turn a settled alternative name into what a certificate carries."""
    kind, _, value = text.partition(":")
    match kind:
        case "DNS":
            return x509.DNSName(value)
        case "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
        case "email":
            return x509.RFC822Name(value)
        case _:
            return x509.UniformResourceIdentifier(value)


def text_of(name: x509.GeneralName) -> str:
    """Write a name out of a certificate as people write it."""
    match name:
        case x509.DNSName():
            return f"DNS:{name.value}"
        case x509.IPAddress():
            return f"IP:{name.value}"
        case x509.RFC822Name():
            return f"email:{name.value}"
        case x509.UniformResourceIdentifier():
            return f"URI:{name.value}"
        case _:
            return f"other:{type(name).__name__}"


def _own(name: str) -> str:
    found = own(name)
    if found is None:
        raise UsageError(
            f'cannot be found by the name "{name}"', hint="a host name without empty labels"
        )
    return found


def _read(text: str, role: Role) -> str:
    """Read what was typed: a kind and a name, or only a name whose kind is plain."""
    head, colon, rest = text.partition(":")
    kind = _KINDS.get(head.lower()) if colon else None
    found = own(text) if kind is None else _typed(kind, rest)
    if found is None:
        raise UsageError(
            f'cannot read the alternative name "{text}"',
            hint="such as DNS:web-1.example.com, IP:10.0.0.5, email:ops@example.com; no wildcards",
        )
    if found.startswith(("DNS:", "IP:")) is (role in PEOPLE):
        raise UsageError(
            f"cannot give {found} to a certificate of role {role}",
            hint="email or URI for user and admin, DNS or IP for agent and controller",
        )
    return found


def _typed(kind: str, value: str) -> str | None:
    """Settle a name whose kind was said; None when it is none of that kind."""
    if kind in {"DNS", "IP"}:
        found = own(value)
        return found if found is not None and found.startswith(f"{kind}:") else None
    grammar = _EMAIL if kind == "email" else _URI
    return f"{kind}:{value}" if grammar.fullmatch(value) else None
