"""The entry point of `ctl`; answers `--version` before anything heavy is imported."""

import gc
import sys

from controller import __version__


def main() -> None:
    """Run the command line of this process and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        print(f"ctl {__version__}")  # noqa: T201
        return
    gc.disable()  # what imports make stays: looking through it is a tenth of the start; see `cli.doorway`
    import signal

    from controller.cli.app import run
    from controller.cli.process import surroundings

    # To be asked to end is to be interrupted: exit 130, and what was started on servers goes on.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(run(sys.argv[1:], surroundings()))


if __name__ == "__main__":
    main()
