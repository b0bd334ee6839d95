"""Repositories and the rules on what git is asked to fetch; called by `loader`.

A URL comes from the config repository and ends on a command line, so it is read here, strictly, before git sees it.
"""

import re
from typing import Final, cast
from urllib.parse import SplitResult, urlsplit

from controller.declaration.block import Block
from controller.declaration.quantities import seconds
from controller.declaration.wishes import Wishes
from controller.model.declaration import RefKind, Repo

SHORTEST_INTERVAL: Final = 60.0
SCHEMES: Final = frozenset({"https", "http", "ssh", "git", "file"})
HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9a-fA-F:]{2,39}")
USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
SCP: Final = re.compile(r"(?:([^@/:]+)@)?([^@/:]+):(?!/?/)(.+)")
CONTROL: Final = re.compile(r"[\x00-\x20\x7f]|%(?:0[0-9a-fA-F]|1[0-9a-fA-F]|7[fF])")
BAD_REF: Final = re.compile(r"^[-/]|[\x00-\x20\x7f~^:\\]|\.\.|@\{|//|/$|\.lock$|\.$|^@$|(^|/)\.")
GLOB: Final = re.compile(r"[*?\[]")


def build_repos(wishes: Wishes) -> dict[str, Repo]:
    """Build every repo in order of name."""
    blocks = wishes.of("repos")
    return {
        name: _repo(wishes, blocks[name])
        for name in sorted(blocks)
        if wishes.complete(blocks[name])
    }


def _repo(wishes: Wishes, block: Block) -> Repo:
    data = cast("dict[str, str | None]", block.data)
    url = cast("str", data["url"])
    wrong = wrong_url(url)
    if wrong:
        wishes.findings.error(
            "bad-url",
            f"cannot use this URL: {wrong}",
            block.where("url", value=True),
            _url_hint(wrong),
        )
    for key in ("token", "ssh_key", "webhook"):
        secret = data.get(key)
        if secret is not None:
            wishes.refer("secrets", secret, block.where(key, value=True))
    verify = data.get("verify")
    if verify is not None:
        wishes.file(verify, block.where("verify", value=True))
    interval = seconds(data.get("interval") or "24h")
    if interval < SHORTEST_INTERVAL:
        wishes.findings.error(
            "interval-too-short",
            f"cannot look every {data['interval']}: at least 1m",
            block.where("interval", value=True),
        )
    kind = _kind(wishes, block)
    return Repo(
        name=block.name,
        url=url,
        kind=kind,
        ref=data.get(kind.value) or "main",
        interval=interval,
        token=data.get("token"),
        ssh_key=data.get("ssh_key"),
        webhook=data.get("webhook"),
        verify=verify,
        active=block.data.get("active", True) is True,
        was=cast("str | None", block.own.get("was")),
        place=block.place,
    )


def _kind(wishes: Wishes, block: Block) -> RefKind:
    kinds = [kind for kind in RefKind if kind.value in block.data]
    own = [kind for kind in kinds if kind.value in block.own]
    chosen = own or kinds
    if len(chosen) > 1:
        wishes.findings.error(
            "one-of",
            "cannot watch more than one of branch, tag and ref",
            block.where(chosen[1].value),
        )
    kind = chosen[0] if chosen else RefKind.BRANCH
    name = cast("str", block.data.get(kind.value, "main"))
    plain = GLOB.sub("x", name) if kind is RefKind.TAG else name
    if BAD_REF.search(plain) or (kind is RefKind.BRANCH and GLOB.search(name)):
        wishes.findings.error(
            "bad-ref",
            f"cannot use {name[:60]!r} as a {kind.value}",
            block.where(kind.value, value=True),
        )
    return kind


def wrong_url(url: str) -> str | None:
    """Say what is wrong with a git URL, or None."""
    if CONTROL.search(url):
        return "it holds white space or a control character"
    if url.startswith("-") or "::" in url.partition("/")[0]:
        return "remote helpers and options are not allowed"
    if "://" not in url:
        return _wrong_short(url)
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return "its host or port cannot be read"
    if parts.scheme not in SCHEMES or not port_fits:
        return f"expected https, ssh or file, got {parts.scheme[:20]}"
    return _wrong_parts(parts)


def _wrong_short(url: str) -> str | None:
    if url.startswith("/"):
        return None
    found = SCP.fullmatch(url)
    if found is None:
        return "expected https://, ssh://, file://, an absolute path, or user@host:path"
    user, host, path = found.groups()
    if not HOST.fullmatch(host) or (user is not None and not USER.fullmatch(user)):
        return "its user or host cannot be read"
    return "its path begins with -" if path.startswith("-") else None


def _wrong_parts(parts: SplitResult) -> str | None:
    if parts.password is not None:
        return "it holds a password"
    if parts.query or parts.fragment:
        return "it holds a query or a fragment"
    if parts.scheme == "file":
        return None if not parts.netloc and parts.path.startswith("/") else "expected file:///PATH"
    if parts.username is not None and not USER.fullmatch(parts.username):
        return "its user cannot be read"
    if parts.hostname is None or not HOST.fullmatch(parts.hostname):
        return "its host cannot be read"
    return None


def _url_hint(wrong: str) -> str | None:
    return (
        "declare the password as a secret and name it as `token`" if "password" in wrong else None
    )
