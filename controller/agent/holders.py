"""Who holds a lock, as one line of JSON: the same text as the controller writes over ssh, with the time as people read it.

`targets` calls it. Pure.
"""

from __future__ import annotations

import json

from controller.agent.errors import AgentError
from controller.execution.errors import RefusedError
from controller.wire.messages.targets import Holder

MOST = 4096


def encode_holder(holder: Holder) -> bytes:
    """Write a holder on one line.

    Raises:
        RefusedError: its names are longer than anybody's are, or its time is none.
    """
    from datetime import datetime, timezone  # noqa: PLC0415 — a daemon without targets needs none

    try:
        since = datetime.fromtimestamp(holder.since, timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise RefusedError(f"cannot hold a lock since {holder.since}: {error}") from error
    told = {
        "run": holder.run,
        "who": holder.who,
        "controller": holder.controller,
        "boot_id": holder.boot_id,
        "since": since.isoformat().replace("+00:00", "Z"),
    }
    line = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    if len(line) > MOST:
        raise RefusedError(f"cannot say in {MOST} bytes who holds the lock")
    return line


def decode_holder(line: bytes) -> Holder:
    """Read a holder, whoever wrote it.

    Raises:
        AgentError: it is none.
    """
    from datetime import datetime  # noqa: PLC0415 — as above

    try:
        told = json.loads(line)
        return Holder(
            run=str(told["run"]),
            who=str(told["who"]),
            controller=str(told["controller"]),
            boot_id=str(told["boot_id"]),
            since=datetime.fromisoformat(str(told["since"]).replace("Z", "+00:00")).timestamp(),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AgentError(
            "cannot read who holds the lock: it was written by something else",
            hint="look into the folder locks of the project on the server",
        ) from error
