"""Answers that break off: what was sent is not the whole, and whoever reads has to notice.

Raised by streams that have no other way to say so, and by the gate; the connection then ends within a chunk. Called by `server`, too.
"""

import logging


class BrokenOffError(ConnectionAbortedError):
    """An answer breaks off, on purpose or for something that was logged."""


def is_news(record: logging.LogRecord) -> bool:
    """Say whether a line of the HTTP library tells what is not known yet: an answer that breaks off was meant to."""
    return record.exc_info is None or not isinstance(record.exc_info[1], BrokenOffError)
