"""The entry point of `ctl`; answers `--version` before anything heavy is imported."""

import gc
import os
import sys

from controller import __version__


def main() -> None:
    """Run the command line of this process and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        try:
            os.write(1, f"ctl {__version__}\n".encode())
        except OSError as error:
            sys.exit(f"error: cannot write to stdout: {error.strerror}")
        return
    gc.disable()  # what imports make stays: looking through it is a tenth of the start; see `cli.doorway`
    import signal

    from controller.cli.app import run
    from controller.cli.process import surroundings
    from controller.cli.standard import OutputError

    # To be asked to end is to be interrupted: exit 130, and what was started on servers goes on.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        around = surroundings()
    except OutputError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
    sys.exit(run(sys.argv[1:], around))


if __name__ == "__main__":
    main()
