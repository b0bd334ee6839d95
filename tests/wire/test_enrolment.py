"""The page of the protocol says of enrolment what the code does."""

import re
from dataclasses import fields
from pathlib import Path

from controller.wire import enrolment

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text().split("\n## Enrolment\n")[1]


def test_every_message_is_told_with_its_members() -> None:
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \| (?:agent|controller) \| ([^|]*) \|", PAGE)
    told = {kind: re.findall(r"`(\w+)`", members) for kind, members in rows}
    assert told == {
        word: [one.name for one in fields(kind)] for word, kind in enrolment.KINDS.items()
    }


def test_names_and_bounds_are_those_of_the_code() -> None:
    assert f"`{enrolment.ALPN}`" in PAGE
    assert f"{enrolment.LARGEST:,}" in PAGE
    assert f"within {enrolment.SECONDS} s each" in PAGE
