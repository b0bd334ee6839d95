"""The words between the daemon and one of its supervisors, over the socket that both hold.

The daemon says lines, each a verb and numbers:

    a PLAN TEXT STDIN   an attempt: so many bytes of plan, of text and of input follow
    g                   it is on the disk as started: let the command begin
    o LENGTH            tell once there is more output than that

The supervisor answers with records as `lines` writes them, which have an `event`: `born` (`pid`, `start`), `ready`
(the command waits at its barrier, or cannot come so far), `output`, `phase` (held, or let go on), and `end` with the record of the exit file and `free`, whether it takes another attempt.

Both are the same interpreter with the same code. `pool` and `attendant` speak here for the daemon, `control` listens for
the supervisor. Calls nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

GO = b"g\n"


def hand_over(plan: Mapping[str, object], *, text: bytes, stdin: bytes) -> bytes:
    """Write an attempt as the bytes that are sent."""
    body = json.dumps(plan).encode("ascii")
    return b"".join((b"a %d %d %d\n" % (len(body), len(text), len(stdin)), body, text, stdin))


def ask_for_more(length: int) -> bytes:
    """Write the wish to hear of output past a length."""
    return b"o %d\n" % length
