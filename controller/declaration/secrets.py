"""Where secrets come from, by name; values are never read here. Called by `loader`."""

from datetime import date
from typing import cast

from controller.declaration.block import Block
from controller.declaration.wishes import Wishes
from controller.model.declaration import Secret, SecretKind


def build_secrets(wishes: Wishes) -> dict[str, Secret]:
    """Build every secret in order of name."""
    blocks = wishes.of("secrets")
    return {name: _secret(wishes, blocks[name]) for name in sorted(blocks)}


def _secret(wishes: Wishes, block: Block) -> Secret:
    kind = SecretKind.ENV if "env" in block.data else SecretKind.FILE
    expires = cast("str | None", block.data.get("expires"))
    if expires is not None and not _is_day(expires):
        wishes.findings.error(
            "wrong-value",
            f"cannot use {expires} as `expires`: there is no such day",
            block.where("expires", value=True),
        )
    elif expires is not None:
        wishes.findings.warn(
            "not-supported-yet",
            "nothing warns of `expires` yet",
            block.where("expires"),
            "it is kept; nothing depends on it",
        )
    return Secret(
        name=block.name,
        kind=kind,
        source=cast("str", block.data[kind.value]),
        expires=expires,
        was=cast("str | None", block.own.get("was")),
        place=block.place,
    )


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
