"""What this process brings along, gathered once for `app.run`."""

import sys
from pathlib import Path

from controller.cli.context import Surroundings
from controller.cli.doorway import open_controller
from controller.clock import SystemClock
from controller.settings import environment


def surroundings() -> Surroundings:
    """Gather streams, environment, working directory, clock and the way to a controller."""
    return Surroundings(
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
        environment=environment(),
        cwd=Path.cwd(),
        clock=SystemClock(),
        open=open_controller,
    )
