"""`make bench`: runs every part, prints its table, and appends it to `RESULTS.md` with date and commit.

`python -m benchmarks PART...` runs some of them; `--rounds N` changes how often each is repeated, `--dry` keeps
`RESULTS.md` as it is.
"""

import argparse
import importlib
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row

PARTS = (
    "startup",
    "declarations",
    "planning",
    "ssh",
    "drift",
    "wire",
    "attempts",
    "agents",
    "dispatch",
    "polls",
    "queue",
    "month",
    "loop",
    "api",
    "serve",
)
RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD: Row = ("What", "Seen", "Height")


def table(rows: Iterable[Row]) -> str:
    """Lay rows out as a table that is readable in a terminal and in Markdown alike."""
    lines = [HEAD, *rows]
    widths = [max(len(row[column]) for row in lines) for column in range(len(HEAD))]
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([shown[0], rule, *shown[1:]])


def machine() -> str:
    """Say what the numbers were seen on."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, CPython {platform.python_version()}, {system}"


def commit() -> str:
    """Name the commit, with a plus where the work tree differs from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown commit"


def measure(part: str, rounds: int | None) -> list[Row]:
    """Run one part; one that is missing or cannot run here says so in a line of its own."""
    try:
        module = importlib.import_module(f"benchmarks.{part}")
        rows: list[Row] = module.main() if rounds is None else module.main(rounds=rounds)
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        return [(part, f"skipped: {type(error).__name__}: {error}", "")]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--dry", action="store_true")
    wished = parser.parse_args()
    unknown = set(wished.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}: expected {' '.join(PARTS)}")
    busy = os.getloadavg()[0]
    text = f"\n## {datetime.now(UTC):%Y-%m-%d} · {commit()}\n\n{machine()}; load {busy:.1f} at the start.\n"
    print(text, flush=True)
    for part in wished.parts or PARTS:
        shown = f"\n### {part}\n\n{table(measure(part, wished.rounds))}\n"
        print(shown, flush=True)
        text += shown
    if not wished.dry:
        with RESULTS.open("a") as results:
            results.write(text)


if __name__ == "__main__":
    main()
