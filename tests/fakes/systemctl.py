"""A `systemctl` for machines without systemd: it writes down what it is told, and runs the agent's unit as a plain process.

Everything lies in the folder of the script: `calls`, `state` (what `is-system-running` says), `pid`,
`slow` (seconds that `enable` takes).
"""

import signal
from pathlib import Path

from tests.fakes import processes

SCRIPT = """\
#!/bin/sh
here=$(dirname "$0")
shift # --no-ask-password
echo "$*" >>"$here/calls"
pid=$(cat "$here/pid" 2>/dev/null || echo none)
case $1 in
  --version) echo "systemd $(cat "$here/version") (fake)" ;;
  is-system-running) cat "$here/state" ;;
  is-active) kill -0 "$pid" 2>/dev/null ;;
  show) if kill -0 "$pid" 2>/dev/null; then echo ActiveState=active; else echo ActiveState=failed; fi; echo NRestarts=0 ;;
  enable) sleep "$(cat "$here/slow" 2>/dev/null || echo 0)" ;;
  restart)
    kill "$pid" 2>/dev/null && while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    command=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/ctl-agent.service)
    setsid sh -c 'echo $$ >"$0/pid"; exec $1' "$here" "$command" </dev/null >>"$here/log" 2>&1 &
    while [ "$(cat "$here/pid" 2>/dev/null || echo none)" = "$pid" ]; do sleep 0.02; done ;;
esac
"""


class Systemctl:
    """One of them, in a folder of its own."""

    def __init__(self, folder: Path, *, state: str = "running", version: int = 254) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "systemctl").write_text(SCRIPT)
        (folder / "systemctl").chmod(0o755)
        (folder / "state").write_text(state)
        (folder / "version").write_text(str(version))

    def put_into(self, folder: Path) -> None:
        """Take the place of the `systemctl` in a folder, which is a copy of the machine's own."""
        place = folder / "systemctl"
        place.unlink(missing_ok=True)
        place.write_text(f'#!/bin/sh\nexec {self.folder}/systemctl "$@"\n')
        place.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What it was told, in order, without questions."""
        asked = ("--version", "is-", "show")
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [one for one in lines if not one.startswith(asked)]

    @property
    def log(self) -> str:
        """What the agent has said."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int | None:
        path = self.folder / "pid"
        return int(path.read_text()) if path.exists() else None

    def stop(self) -> None:
        """End the agent, and wait for it."""
        if self.pid is not None and Path(f"/proc/{self.pid}").exists():
            processes.send(self.pid, signal.SIGKILL)
