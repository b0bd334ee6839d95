"""Notifiers: their secrets exist, and mail is neither sent nor logged in for without what it needs; called by `loader`."""

from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.wishes import Wishes
from controller.model.notice import Occasion
from controller.model.notifier import USUAL, MailSecurity, Notifier, NotifierKind, Smtp

PORTS: Final = {MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465, MailSecurity.NONE: 25}


def build_notifiers(wishes: Wishes) -> dict[str, Notifier]:
    """Build every notifier in order of name."""
    blocks = wishes.of("notifiers")
    return {name: _notifier(wishes, blocks[name]) for name in sorted(blocks)}


def _notifier(wishes: Wishes, block: Block) -> Notifier:
    data = block.data
    kind = next(kind for kind in NotifierKind if kind.value in data)
    events = cast("list[str]", data.get("events", sorted(USUAL)))
    command = cast("list[str] | None", data.get("exec"))
    return Notifier(
        name=block.name,
        kind=kind,
        url=_secret(wishes, block, "url"),
        sign=_secret(wishes, block, "sign"),
        smtp=_smtp(wishes, block) if kind is NotifierKind.SMTP else None,
        exec=None if command is None else tuple(command),
        events=frozenset(map(Occasion, events)),
        repeat=wishes.duration(block, ("repeat",), data["repeat"], least="1m", most="366d")
        if "repeat" in data
        else None,
        place=block.place,
    )


def _secret(wishes: Wishes, block: Block, *path: str) -> str | None:
    """Give the name of the secret at a path, which must be declared; None where there is no such key."""
    data: object = block.data
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    name = cast("dict[str, str]", data)["secret"]
    wishes.refer("secrets", name, block.where(*path, "secret", value=True))
    return name


def _smtp(wishes: Wishes, block: Block) -> Smtp:
    data = cast("dict[str, object]", block.data["smtp"])
    security = MailSecurity(cast("str", data.get("security", MailSecurity.STARTTLS)))
    if ("user" in data) != ("password" in data):
        given, missing = ("user", "password") if "user" in data else ("password", "user")
        wishes.findings.error(
            "missing-key",
            f"cannot log in with `smtp.{given}` alone: `{missing}` is missing",
            block.where("smtp", given),
        )
    elif "password" in data and security is MailSecurity.NONE:
        wishes.findings.error(
            "unsafe-password",
            "cannot send a password over a connection that is not encrypted",
            block.where("smtp", "security"),
            "use starttls or tls, or leave out user and password",
        )
    return Smtp(
        host=cast("str", data["host"]),
        port=int(cast("int", data.get("port", PORTS[security]))),
        security=security,
        user=cast("str | None", data.get("user")),
        password=_secret(wishes, block, "smtp", "password"),
        sender=cast("str", data["from"]),
        recipients=tuple(cast("list[str]", data["to"])),
    )
