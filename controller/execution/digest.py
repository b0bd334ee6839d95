"""The attempt digest: proof that what runs here is what was planned elsewhere.

The canonical form, format 1, is JSON with sorted keys, no spaces, ASCII only, of one object:

    format     1
    argv       list of words
    arguments  list of words; left out when there are none
    text       SHA-256 of the text's bytes; `stdin` likewise
    stream     whether the input stays open
    env        object: name to HMAC-SHA256(salt, value in UTF-8, surrogates escaped)
    files      object: path to SHA-256 of the content
    limits     object: cpu as thousandths of a processor, memory, pids, io; null is no limit
    workdir, user, umask, head, tail
    timeout, grace      in thousandths of a second

The digest is the SHA-256 of these bytes, in hex. Ids and owners are not part of it: a second try of a step has the same digest.
Values of variables enter keyed, secrets and others alike, so the digest tells nothing about them.

The controller computes the same form where it plans; `executor` computes it here and compares. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from controller.execution.spec import Spec

FORMAT = 1
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def attempt_digest(spec: Spec) -> str:
    """Sum up everything of an attempt that can change what it does."""
    form = {
        "format": FORMAT,
        "argv": list(spec.argv),
        **({"arguments": list(spec.arguments)} if spec.arguments else {}),
        "text": _sum(spec.text),
        "stdin": spec.stdin_sha256 or _sum(spec.stdin),
        "stream": spec.stream,
        "env": {name: _keyed(spec.salt, value) for name, value in spec.env.items()},
        "files": {path: _sum(content) for path, content in spec.files.items()},
        "limits": {
            "cpu": None if spec.limits.cpu is None else round(spec.limits.cpu * 1000),
            "memory": spec.limits.memory,
            "pids": spec.limits.pids,
            "io": spec.limits.io,
        },
        "workdir": spec.workdir,
        "user": spec.user,
        "umask": spec.umask,
        "head": spec.head,
        "tail": spec.tail,
        "timeout": round(spec.timeout * 1000),
        "grace": round(spec.grace * 1000),
    }
    return _sum(_encode(form).encode("ascii"))


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _keyed(salt: bytes, value: str) -> str:
    return hmac.new(salt, value.encode("utf-8", "surrogateescape"), "sha256").hexdigest()
