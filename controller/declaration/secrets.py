"""Where secrets come from, by name, and the encrypted files they name; values are never read here. Called by `loader`."""

import shlex
from datetime import date
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.wishes import Wishes
from controller.model.declaration import Secret, SecretKind

KINDS: Final = (
    SecretKind.ENV,
    SecretKind.FILE,
    SecretKind.AGE,
    SecretKind.SOPS,
    SecretKind.EXEC,
    SecretKind.KV,
    SecretKind.CREDENTIAL,
)
IN_REPOSITORY: Final = (SecretKind.AGE, SecretKind.SOPS)
LARGEST_SEALED: Final = 1 << 20
MOST_SEALED: Final = 16 << 20
"""Bytes of all encrypted files of one declaration."""


def build_secrets(wishes: Wishes) -> dict[str, Secret]:
    """Build every secret in order of name."""
    blocks = wishes.of("secrets")
    return {name: _secret(wishes, blocks[name]) for name in sorted(blocks)}


def read_sealed(wishes: Wishes) -> dict[str, bytes]:
    """Read every encrypted file that a secret names, once; one that is missing or too large is an error."""
    wanted: set[str] = set()
    total = 0
    for block in wishes.of("secrets").values():
        kind = _kind(block)
        if kind not in IN_REPOSITORY:
            continue
        path = cast("str", block.data[kind.value])
        place = block.where(kind.value, value=True)
        if not wishes.file(path, place) or path in wanted:
            continue
        size = wishes.tree.entries[path].size
        total += size
        if size > LARGEST_SEALED or total > MOST_SEALED:
            wishes.findings.error(
                "file-too-large",
                f"cannot read {path}: {size} bytes, at most {LARGEST_SEALED} each and {MOST_SEALED} together",
                place,
                "an encrypted file holds secrets, not data",
            )
            continue
        wanted.add(path)
    return dict(wishes.tree.read(sorted(wanted)))


def _secret(wishes: Wishes, block: Block) -> Secret:
    kind = _kind(block)
    source = block.data[kind.value]
    argv = tuple(cast("list[str]", source)) if kind is SecretKind.EXEC else ()
    return Secret(
        name=block.name,
        kind=kind,
        source=shlex.join(argv) if argv else cast("str", source),
        key=cast("str | None", block.data.get("key")),
        argv=argv,
        expires=_expires(wishes, block),
        was=cast("str | None", block.own.get("was")),
        place=block.place,
    )


def _kind(block: Block) -> SecretKind:
    return next(kind for kind in KINDS if kind.value in block.data)


def _expires(wishes: Wishes, block: Block) -> str | None:
    expires = cast("str | None", block.data.get("expires"))
    if expires is None or _is_day(expires):
        return expires
    wishes.findings.error(
        "wrong-value",
        f"cannot use {expires} as `expires`: there is no such day",
        block.where("expires", value=True),
    )
    return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
