"""The form of this room's records: frozen, and slotted and keyword-only where the interpreter can.

Every module of `wire` that holds records calls it. Python 3.9 knows neither slots nor keyword-only fields of
dataclasses; there the fields' order (those with defaults last) keeps the same classes valid.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:

    def dataclass_transform(**_promises: object) -> Callable[[_Decorator], _Decorator]:
        """Stand in for what only type checkers read."""
        return lambda decorator: decorator


_Record = TypeVar("_Record")
_Decorator = TypeVar("_Decorator")
_FORM = {"frozen": True}
if sys.version_info >= (3, 10):
    _FORM |= {"slots": True, "kw_only": True}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def record(kind: type[_Record]) -> type[_Record]:
    """Make a class a record: give its fields by name, change them never."""
    return dataclass(**_FORM)(kind)
