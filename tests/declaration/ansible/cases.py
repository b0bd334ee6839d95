"""Inventories of public projects with the answers of `ansible-inventory`, where this machine has them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(os.environ.get("CTL_TEST_CASES", Path(__file__).parents[3] / ".." / "shared" / "cases"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One inventory: the folder it is read from, its path there, and what Ansible made of it."""

    source: Path
    path: str
    refused: bool
    listed: Path
    exported: Path

    def __str__(self) -> str:
        return f"{self.source.parent.name}:{self.path}"

    def answer(self, *, export: bool = False) -> dict[str, object]:
        """Give what Ansible printed."""
        read: dict[str, object] = json.loads((self.exported if export else self.listed).read_text())
        return read


def all_cases() -> Iterator[Case]:
    """Give every inventory of every case; none where the folder is missing."""
    for file in sorted((ROOT / "inventories").glob("*/case.json")):
        case = json.loads(file.read_text())
        for item in case["inventories"]:
            yield Case(
                source=file.parent / case["command_folder"],
                path=item["inventory"],
                refused=item["resolved"]["refused"],
                listed=file.parent / item["resolved"]["json"],
                exported=file.parent / item["export"]["json"],
            )
