"""Run by Salt's own python, beside its master and minion: how long commands take through its LocalClient.

`python saltstack_client.py FOLDER ROUNDS FEW`; gives one line of JSON with the seconds of each and processor seconds of all three programs.
"""

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Callable

LOOKS = 60
salt, exceptions, psutil = map(
    importlib.import_module, ("salt.client", "salt.exceptions", "psutil")
)


def cpu(word: str) -> float:
    """Give the processor seconds of every program of ours that is called so."""
    spent = 0.0
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if word in line and sys.argv[1] in line:
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


def reached(config: str) -> Callable[..., object]:
    """Wait until the minion answers; give what commands it."""
    for _ in range(LOOKS):
        with contextlib.suppress(exceptions.SaltException):  # the master is not ready yet
            client = salt.LocalClient(c_path=config)
            if client.cmd("*", "test.ping", timeout=2):
                commands: Callable[..., object] = client.cmd
                return commands
        time.sleep(1)
    sys.exit("no minion answers")


def main() -> None:
    folder, rounds, few = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    command = reached(f"{folder}/master")
    spent = []
    there, here = cpu("salt-m"), time.process_time()
    for _ in range(rounds * few):
        began = time.perf_counter()
        if not command("*", "cmd.run", ["/bin/true"], timeout=10):
            sys.exit("a command was lost")
        spent.append(time.perf_counter() - began)
    took = {"there": cpu("salt-m") - there, "here": time.process_time() - here}
    print(json.dumps({"spent": spent, **took}))


if __name__ == "__main__":
    main()
