"""What this process brings along, gathered once for `app.run`."""

from pathlib import Path

from controller.cli.context import Surroundings
from controller.cli.doorway import open_controller
from controller.cli.standard import take
from controller.clock import SystemClock
from controller.settings import environment


def surroundings() -> Surroundings:
    """Gather streams, environment, working directory, clock and the way to a controller.

    Raises:
        OutputError: stdout is closed.
    """
    stdin, stdout, stderr = take()
    return Surroundings(
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        environment=environment(),
        cwd=Path.cwd(),
        clock=SystemClock(),
        open=open_controller,
    )
