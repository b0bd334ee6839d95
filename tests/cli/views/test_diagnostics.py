"""Diagnostics for people, for SARIF and for GitHub."""

import json

from controller.cli.views.annotations import github, sarif
from controller.cli.views.diagnostics import diagnostics_text, summary_text
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.style import PLAIN
from controller.model.diagnostic import NOWHERE, Diagnostic, Place, Severity

SOURCE = b"tasks:\n  deploy:\n    timout: 5m\n"
WRONG = Diagnostic(
    code="unknown-key",
    message='there is no key "timout"',
    place=Place(file="pipelines/a.yaml", line=3, column=5),
    hint='did you mean "timeout"?',
)
ODD = Diagnostic(
    severity=Severity.WARNING, code="empty-pattern", message="picks no server", place=NOWHERE
)


def test_a_finding_shows_place_line_caret_and_hint() -> None:
    assert diagnostics_text([WRONG, ODD], {"pipelines/a.yaml": SOURCE}, PLAIN) == (
        'error[unknown-key]: there is no key "timout"\n'
        "  at pipelines/a.yaml:3:5\n"
        "    3 |     timout: 5m\n"
        "      |     ^\n"
        '  hint: did you mean "timeout"?\n'
        "\n"
        "warning[empty-pattern]: picks no server"
    )


def test_a_file_that_is_not_at_hand_or_too_short_shows_no_line() -> None:
    for source in (b"", b"tasks:\n"):
        text = diagnostics_text([WRONG], {"pipelines/a.yaml": source}, PLAIN)
        assert "|" not in text
        assert "  at pipelines/a.yaml:3:5" in text


def test_hostile_lines_are_shown_escaped_and_cut() -> None:
    source = b"a: \x1b[2J\xff" + b"z" * 100_000
    place = Place(file="f\x1b.yaml", line=1, column=4)
    wrong = Diagnostic(code="bad", message="m\x07", place=place)
    text = diagnostics_text([wrong], {place.file: source}, PLAIN)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text) < 1000


def test_many_findings_are_counted_in_the_end() -> None:
    text = diagnostics_text([WRONG] * 250, {}, PLAIN)
    assert text.endswith("and 50 more; -o json gives all")


def test_the_summary_counts_errors_and_warnings() -> None:
    assert summary_text([WRONG, WRONG, ODD], 4) == "2 errors and 1 warning in 4 files."
    assert summary_text([], 1) == "Valid: nothing to complain about in 1 file."


def test_sarif_names_rule_level_place_and_text() -> None:
    log = json.loads(to_json(sarif([WRONG, ODD])))
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        "empty-pattern",
        "unknown-key",
    ]
    first = run["results"][0]
    assert first["ruleId"] == "unknown-key"
    assert first["ruleIndex"] == 1
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "pipelines/a.yaml"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    assert run["results"][1]["locations"] == []


def test_github_annotations_cannot_be_forged_by_a_name() -> None:
    evil = Diagnostic(
        code="bad",
        message="first\n::error::forged",
        place=Place(file="a,b:c\n::error::x.yaml", line=1, column=2),
    )
    rows = github([WRONG, evil]).splitlines()
    assert rows[0] == (
        "::error file=pipelines/a.yaml,line=3,col=5,title=ctl unknown-key::"
        'there is no key "timout"%0Adid you mean "timeout"?'
    )
    assert len(rows) == 2
    assert rows[1].startswith("::error file=a%2Cb%3Ac")


def test_documents_are_ascii_and_keep_what_was_meant() -> None:
    value = {"text": "é\x1b\x7f\u202e"}
    assert to_json(value).isascii()
    assert json.loads(to_json(value)) == value
    assert all(mark not in to_yaml(value) for mark in "\x1b\x7f\u202e")
