"""Where the packed agent starts, and `python -m controller.agent`; it calls `main`.

What stands here has to be understood by interpreters that are too old for the rest.
"""

import sys

OLDEST = (3, 9)

if __name__ == "__main__":
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit("ctl-agent: cannot run on Python " + found + ": it needs 3.9 or newer")
    from controller.agent.main import main

    sys.exit(main(sys.argv[1:]))
