"""Diagnostics for other programs: SARIF 2.1.0 and GitHub annotations."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from controller import __version__
from controller.cli.views.words import line
from controller.model.diagnostic import Diagnostic

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, object]:
    """Give a SARIF 2.1.0 log with one run."""
    codes = sorted({d.code for d in diagnostics})
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ctl",
                        "version": __version__,
                        "rules": [{"id": code} for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, codes.index(d.code)) for d in diagnostics],
            }
        ],
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, object]:
    place = diagnostic.place
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    location = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(place.file)},
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": diagnostic.message + hint},
        "locations": [location] if place.file else [],
    }


def github(diagnostics: Sequence[Diagnostic]) -> str:
    """Give workflow commands that GitHub shows beside the lines of a pull request."""
    return "\n".join(_annotation(d) for d in diagnostics)


def _annotation(diagnostic: Diagnostic) -> str:
    place = diagnostic.place
    text = diagnostic.message + (f"\n{diagnostic.hint}" if diagnostic.hint else "")
    fields = {"title": f"ctl {diagnostic.code}"}
    if place.file:
        fields = {"file": place.file, "line": str(place.line), "col": str(place.column), **fields}
    properties = ",".join(f"{key}={_property(value)}" for key, value in fields.items())
    return f"::{diagnostic.severity.value} {properties}::{_data(text)}"


def _data(text: str) -> str:
    rows = text.replace("%", "%25").split("\n")
    return "%0A".join(line(row) for row in rows)


def _property(text: str) -> str:
    return line(text.replace("%", "%25")).replace(":", "%3A").replace(",", "%2C")
