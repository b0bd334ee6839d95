"""What a serving process writes to stderr: one line for each thing, with its weight as systemd reads it.

Called by `serving`, once. Secrets are masked in every line, whoever writes it. The activity and connectivity logs are elsewhere: these
lines are for whoever runs the controller.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Final, TextIO

from controller.model.masking import Masker
from controller.model.safe_text import safe_text

SYSLOG: Final = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
"""Priorities of syslog(3), which the journal reads from `<N>` at the begin of a line (sd-daemon(3))."""
QUIET: Final = ("asyncssh", "git", "uvicorn", "asyncio", "httpx", "httpcore", "apprise")
"""Libraries of which only warnings are told."""


class Lines(logging.Formatter):
    """Writes each record as one line, or as several that all have the weight."""

    def __init__(self, masker: Masker, *, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)s %(message)s")
        self._masker = masker
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; nothing in it can move the cursor or forge another line's weight."""
        text = self._masker.text(super().format(record))
        lines = [safe_text(line) for line in text.splitlines()] or [""]
        if self._journal:
            weight = SYSLOG.get(record.levelno, 6)
            lines = [f"<{weight}>{line}" for line in lines]
        return "\n".join(lines)


def read_by_journal(variables: Mapping[str, str], descriptor: int = 2) -> bool:
    """Say whether what is written to stderr goes into systemd's journal, where it stays.

    The variable is inherited by programs whose stderr goes elsewhere, so it names the stream (systemd.exec(5), `$JOURNAL_STREAM`).
    """
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return variables.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def write_logs(
    masker: Masker, variables: Mapping[str, str], *, debug: bool, stream: TextIO | None = None
) -> None:
    """Write what this process has to tell to stderr from now on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines(masker, journal=read_by_journal(variables)))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
