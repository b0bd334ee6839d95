"""The report of a script's run as a document: the server's own words, kept with the job.

Pure. Called by `collect`; people read it by `ctl jobs artifacts`.
"""

import json
from datetime import datetime

from controller.transport.port import ScriptReport


def as_document(report: ScriptReport) -> bytes:
    """Write a report as JSON; what is no UTF-8 in the result is shown by its escapes."""
    document = {
        "format_version": "1.0",
        "attempt": report.attempt,
        "script": {
            "name": report.script.name,
            "sha256": report.script.sha256,
            "title": report.script.title,
            "result": report.script.result.type,
        },
        "headers": dict(report.headers),
        "exit_code": report.exit_code,
        "message": report.message,
        "started_at": _moment(report.started_at),
        "ended_at": _moment(report.ended_at),
        "artifact": report.artifact or None,
        "result": report.result.decode("utf-8", "backslashreplace"),
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
