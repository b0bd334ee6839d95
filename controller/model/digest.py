"""The one way to hash a value: SHA-256 over canonical JSON.

Canonical JSON has sorted keys, no spaces and no escapes but those JSON asks for. `declaration` hashes inputs with it,
`planning` compares records of older formats and makes plan digests.
"""

import hashlib
import json
from collections.abc import Mapping

from controller.model.ids import Digest
from controller.model.work import DIGEST_FORMAT


def canonical(value: object) -> bytes:
    """Write a value of JSON types so that equal values give equal bytes.

    Raises:
        TypeError: the value holds something JSON cannot say.
        ValueError: it holds a number JSON cannot say.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def digest_of(value: object) -> Digest:
    """Hash a value of JSON types."""
    return Digest(hashlib.sha256(canonical(value)).hexdigest())


def input_digest(inputs: Mapping[str, Digest], *, version: int = DIGEST_FORMAT) -> Digest:
    """Join the digests of a pair's inputs to its input digest, in format `version`."""
    return digest_of({"format": version, "inputs": dict(inputs)})
