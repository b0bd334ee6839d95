"""What a person waits for before anything happens, beside a Python that does nothing."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row, interleaved, milliseconds

ROUNDS = 7
FLOOR = "python -c pass"
VERSION = "ctl --version"
HELP = "ctl help"
VALIDATE = "ctl validate"
PLAN = "ctl plan"


def main(*, rounds: int = ROUNDS) -> list[Row]:
    ctl = [sys.executable, "-m", "controller"]
    with tempfile.TemporaryDirectory() as made:
        folder = str(Path(made) / "config")
        subprocess.run([*ctl, "init", folder], check=True, capture_output=True)
        here = [*ctl, "-C", folder]
        spent = interleaved(
            {
                FLOOR: [sys.executable, "-c", "pass"],
                VERSION: [*ctl, "--version"],
                HELP: [*ctl, "help"],
                VALIDATE: [*here, "validate"],
                PLAN: [*here, "plan"],
            },
            rounds=rounds,
        )
    floor = spent[FLOOR].cpu
    heights = {
        FLOOR: "the floor",
        VERSION: "≤ 2.5 x floor",
        PLAN: "≤ 0.8 s wall when nothing else runs",
    }
    return [
        (
            name,
            f"{milliseconds(one.cpu)} CPU = {one.cpu / floor:.1f} x floor, {milliseconds(one.wall)} wall",
            heights.get(name, ""),
        )
        for name, one in spent.items()
    ]
