"""Tillerman: GitOps for plain Linux servers.

The walk: git → source → declaration → planning → jobs → transport → server, and back as records in the
store that the faces read. `docs/walk.md` follows one change through all rooms.
"""

from typing import Final

__version__: Final = "0.1.0"
