"""What people decided, as rows: which fact takes the place of which, and how it reads back.

Pure. Called by `standings` on SQLite and by its twin in memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from controller.errors import StateError
from controller.model.standing import Approval, Fact, Ignore, Pin, Standing, Suspension
from controller.store.rows import decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """One fact: of the same kind, target and key there is only one."""

    kind: str
    target: str
    key: str
    data: str


def fact_row(fact: Fact) -> FactRow:
    """Turn a fact into its row."""
    kind, key = _key(fact)
    data = encode(fact)
    return FactRow(kind=kind, target=fact.target, key=msgspec.json.encode(key).decode(), data=data)


def standing_of(rows: Iterable[tuple[str, str]]) -> Standing:
    """Gather facts, given as kind and data, in the order in which they were decided."""
    found = [_fact(kind, data) for kind, data in rows]
    suspensions = sorted((f for f in found if isinstance(f, Suspension)), key=lambda f: f.target)
    pins = sorted((f for f in found if isinstance(f, Pin)), key=lambda f: f.target)
    return Standing(
        suspensions={fact.target: fact for fact in suspensions},
        approvals=tuple(fact for fact in found if isinstance(fact, Approval)),
        pins={fact.target: fact for fact in pins},
        ignores=tuple(fact for fact in found if isinstance(fact, Ignore)),
    )


def _key(fact: Fact) -> tuple[str, tuple[str | None, ...]]:
    match fact:
        case Suspension():
            return "suspension", ()
        case Pin():
            return "pin", ()
        case Approval():
            return "approval", (fact.digest, fact.by)
        case Ignore():
            return "ignore", (fact.server, fact.path)


def _fact(kind: str, data: str) -> Fact:
    match kind:
        case "suspension":
            return decode(Suspension, data)
        case "pin":
            return decode(Pin, data)
        case "approval":
            return decode(Approval, data)
        case "ignore":
            return decode(Ignore, data)
        case _:
            raise StateError(f"cannot read a fact of the kind {kind!r} from the state")
