"""Works that deliver files, and servers on which they lie as they should."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.jobs.marker import manifest
from controller.model.applied import Applied
from controller.model.digest import digest_of, input_digest
from controller.model.files import (
    CheckoutSeen,
    CheckoutWork,
    DeliverySeen,
    FileKind,
    FileSeen,
    FileWork,
)
from controller.model.ids import RunId, Sha
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.work import Input, Work
from controller.planning.subject import Subject
from tests.planning.world import NOW, place, server, target

CONF = "/etc/shop.conf"
OLD, NEW = Sha("a" * 40), Sha("b" * 40)
KEY = ("web", "web-1")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file(path: str = CONF, content: bytes = b"port = 80\n", **more: Any) -> FileWork:
    return replace(FileWork(path=path, content=content), **more)


def work(*files: FileWork, checkout: str | None = None, **facts: object) -> Work:
    values = dict(facts)
    for one in files:
        values[f"files.{one.path}.content"] = sha256(one.content)
        values[f"files.{one.path}.mode"] = one.mode
    if checkout is not None:
        values["checkout.path"] = checkout
    inputs = {
        name: Input(digest=digest_of(value), place=place(40)) for name, value in values.items()
    }
    return Work(
        task="deploy",
        digest=input_digest({name: one.digest for name, one in inputs.items()}),
        inputs=inputs,
        files=files,
        checkout=None if checkout is None else CheckoutWork(path=checkout),
    )


def keyed(one: FileWork) -> str:
    return sha256(b"key of the pair" + one.content)


def there(one: FileWork, **more: Any) -> FileSeen:
    """See a file as it was written, with its text."""
    secret = bool(one.secrets)
    seen = FileSeen(
        path=one.path,
        kind=FileKind.FILE,
        digest=keyed(one) if secret else sha256(one.content),
        keyed=secret,
        mode=one.mode,
        owner=one.owner or "deploy",
        group=one.group or "deploy",
        size=len(one.content),
        content=None if secret else one.content,
    )
    return replace(seen, **more)


def edited(one: FileWork, data: bytes, **more: Any) -> FileSeen:
    return there(replace(one, content=data), **more)


def applied(made: Work, **more: Any) -> Applied:
    record = Applied(
        target=KEY[0],
        server=KEY[1],
        applied=made.digest,
        manifest=manifest(made.inputs),
        commit=OLD,
        at=NOW,
        by="ops@laptop",
        run=RunId("run1"),
        task="deploy",
        files={one.path: keyed(one) for one in made.files if one.secrets},
    )
    return replace(record, **more)


def looked(
    made: Work,
    files: Mapping[str, FileSeen] | None = None,
    *,
    commit: Sha | None = OLD,
    at: datetime = NOW,
    record: Applied | None = None,
    **more: Any,
) -> ServerSeen:
    """See a server on which everything is as it was written, but for `files`."""
    lying = {one.path: there(one) for one in made.files} | dict(files or {})
    checkout = None
    if made.checkout is not None:
        checkout = CheckoutSeen(path=made.checkout.path, commit=commit)
    delivery = DeliverySeen(digest=made.digest, at=at, files=lying, checkout=checkout)
    marker = MarkerSeen(record=record or applied(made), sha256=digest_of("marker"))
    seen = ServerSeen(
        server=KEY[1],
        at=at,
        reached=True,
        login="deploy",
        markers={KEY[0]: marker},
        deliveries={KEY[0]: delivery},
    )
    return replace(seen, **more)


def subject(made: Work, seen: ServerSeen | None, record: Applied | None, **more: Any) -> Subject:
    built = Subject(
        key=KEY,
        target=target(*KEY),
        server=server(KEY[1]),
        work=made,
        record=record,
        stored=record,
        seen=seen,
    )
    return replace(built, **more)
