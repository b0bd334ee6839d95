"""Saved plans: the file that `plan --out` writes and `apply PLANFILE` carries out or refuses.

Pure: bytes in, bytes out; the faces read and write the file. It holds no secret: commands are left out, and what
counts are digests; of files only their names and what becomes of them.
"""

import json
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.errors import DeclarationError, RefusedError, StalePlanError
from controller.model.plan import Change, Plan
from controller.planning.document import document, read_document
from controller.planning.planner import plan_digest

SIZE_LIMIT: Final = 256 << 20


def dump(plan: Plan) -> bytes:
    """Write a plan to be applied later.

    Raises:
        RefusedError: it is of declarations that are not committed, so nobody could say later what they were.
    """
    if plan.dirty:
        raise RefusedError("cannot save a plan of uncommitted declarations", hint="commit first")
    bare = replace(plan, changes=tuple(_bare(change) for change in plan.changes))
    return json.dumps(document(bare), indent=1, ensure_ascii=False).encode() + b"\n"


def _bare(change: Change) -> Change:
    """Leave out what is only for people's eyes and could hold what a parameter or a variable gave it."""
    files = tuple(replace(file, diff="") for file in change.files)
    return replace(change, commands=(), files=files)


def load(data: bytes, now: datetime) -> Plan:
    """Read a saved plan.

    Raises:
        DeclarationError: it is not one, or it was changed since it was written.
        StalePlanError: its time is over.
    """
    if len(data) > SIZE_LIMIT:
        raise DeclarationError(f"cannot read the plan: it has more than {SIZE_LIMIT >> 20} MiB")
    try:
        built = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DeclarationError("cannot read the plan: it is not JSON") from error
    plan = read_document(built)
    if plan.digest != plan_digest(plan.changes, plan.orders):
        raise DeclarationError(
            "cannot use the plan: it was changed since it was saved", hint="make it again"
        )
    if plan.expires_at is None or now >= plan.expires_at:
        when = "never said when" if plan.expires_at is None else f"{plan.expires_at:%Y-%m-%d %H:%M}"
        raise StalePlanError(f"the plan expired ({when} UTC)", hint="make it again: ctl plan --out")
    return plan
