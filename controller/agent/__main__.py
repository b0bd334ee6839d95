"""Where the packed agent starts, and `python -m controller.agent`; it calls `main`."""

import sys

from controller.agent.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
