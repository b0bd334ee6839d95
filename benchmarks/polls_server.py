"""A git server over http in a process of its own, so that its cost is not counted as ours: `git http-backend` behind a tiny server.

`python -m benchmarks.polls_server ROOT TOKEN` prints its address and serves until its input ends.
"""

import sys
from pathlib import Path

from tests.fakes.git_http import git_http


def main() -> None:
    with git_http(Path(sys.argv[1]), sys.argv[2]) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
