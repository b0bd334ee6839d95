"""Values closed by Ansible Vault: recognised, named, never opened.

Called by `yaml` for values tagged `!vault` and by `sources` and `vars` for whole files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from controller.model.declaration import Secret, SecretKind
from controller.model.diagnostic import Place
from controller.model.inventory import Vaulted

TAGS: Final = frozenset({"!vault", "!vault-encrypted"})
HEADER: Final = "$ANSIBLE_VAULT;"


def value(ciphertext: str) -> Vaulted:
    """Carry a closed value; equal ciphertexts have the same name everywhere."""
    digest = hashlib.sha256(ciphertext.strip().encode()).hexdigest()
    return Vaulted(name=f"vault-{digest[:16]}", ciphertext=ciphertext)


def secret(vaulted: Vaulted, place: Place) -> Secret:
    """Declare the secret that a closed value is."""
    return Secret(
        name=vaulted.name, kind=SecretKind.VAULT, source=f"{place.file}:{place.line}", place=place
    )


def within(values: Iterable[object]) -> Iterator[Vaulted]:
    """Find the closed values among values, however deep."""
    for item in values:
        if isinstance(item, Vaulted):
            yield item
        elif isinstance(item, dict):
            yield from within(item.values())
        elif isinstance(item, list):
            yield from within(item)
