"""Messages read well, one or many, and hold nothing that could be more than text."""

import json
import re
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from controller.model.notice import Notice, Occasion
from controller.notify import messages
from controller.notify.messages import message_of
from controller.planning.folding import short_names
from tests.notify.notes import NOW, a_notice


def said(*notices: Notice) -> tuple[str, str]:
    message = message_of("m1", notices, now=NOW, short=short_names)
    return message.title, message.text


def test_one_notice_speaks_for_itself() -> None:
    notice = a_notice(1, lines=("dns: no such host", "since 11:58"))
    assert said(notice) == ("web-01 is unreachable", "dns: no such host\nsince 11:58")


def test_many_of_one_kind_are_counted_and_named_short() -> None:
    title, text = said(*(a_notice(number) for number in range(1, 13)))
    assert title == "12 servers unreachable: web-[01:12]"
    assert text.splitlines()[:2] == [
        "- 12:00:00 UTC web-01 is unreachable",
        "    dns: no such host",
    ]


@pytest.mark.parametrize("occasion", Occasion)
def test_every_occasion_has_words_where_it_is_told_with_others(occasion: Occasion) -> None:
    title, _ = said(a_notice(1, occasion=occasion), a_notice(2, occasion=occasion))
    assert title == f"2 servers {messages.WORDS[occasion]}: web-01, web-02"


def test_different_things_are_told_side_by_side() -> None:
    back = a_notice(3, occasion=Occasion.RECOVERED, problem=None, title="web-03 is back")
    title, _ = said(a_notice(1), a_notice(2), back)
    assert title == "2 servers unreachable: web-01, web-02; 1 server well again: web-03"


def test_of_one_subject_the_last_word_counts() -> None:
    later = NOW + timedelta(seconds=20)
    back = a_notice(1, at=later, occasion=Occasion.RECOVERED, title="web-01 is back", lines=())
    title, text = said(a_notice(1), back)
    assert title == "web-01 is back"
    assert text.splitlines() == [
        "- 12:00:00 UTC web-01 is unreachable",
        "    dns: no such host",
        "- 12:00:20 UTC web-01 is back",
    ]


def test_a_subject_without_a_name_is_its_kind() -> None:
    config = a_notice(1, subject="config", occasion=Occasion.INVALID, title="refused")
    assert said(config, a_notice(2))[0] == "1 config invalid: config; 1 server unreachable: web-02"


def test_what_is_too_much_is_counted() -> None:
    many = [a_notice(number) for number in range(1, messages.NOTICES + 8)]
    message = message_of("m1", many, now=NOW, short=short_names)
    assert message.text.splitlines()[-1] == "… and 7 more"
    assert message.document["count"] == len(many)
    shown = message.document["notices"]
    assert isinstance(shown, list)
    assert len(shown) == messages.NOTICES
    lines = tuple(f"line {number}" for number in range(messages.ALONE + 3))
    assert said(a_notice(1, lines=lines))[1].endswith("… and 3 more lines")


def test_a_document_that_is_too_large_goes_without_what_is_not_needed() -> None:
    large = "x" * messages.LINE
    facts = {str(n): [large] * messages.ITEMS for n in range(messages.ITEMS)}
    many = [a_notice(n, lines=(large,) * 50, facts=facts) for n in range(messages.NOTICES)]
    message = message_of("m1", many, now=NOW, short=short_names)
    assert len(json.dumps(message.document)) < messages.LARGEST
    assert message.document["shortened"] is True
    assert message.document["count"] == messages.NOTICES


def test_the_document_says_the_same_for_machines() -> None:
    facts = {"server": "web-01", "failures": 4, "since": NOW, "list": [1, None, {"a": {"b": {}}}]}
    message = message_of("m1", [a_notice(1, facts=facts)], now=NOW, short=short_names)
    assert message.document == {
        "format_version": "1.0",
        "id": "m1",
        "title": "web-01 is unreachable",
        "text": "dns: no such host",
        "count": 1,
        "occasions": ["unreachable"],
        "notices": [
            {
                "id": "n1",
                "at": "2026-03-01T12:00:00+00:00",
                "occasion": "unreachable",
                "subject": "server/web-01",
                "title": "web-01 is unreachable",
                "lines": ["dns: no such host"],
                "problem": "unreachable",
                "target": None,
                "facts": {
                    "server": "web-01",
                    "failures": 4,
                    "since": "2026-03-01T12:00:00+00:00",
                    "list": [1, None, {"a": {"b": "{}"}}],
                },
            }
        ],
    }


EVIL = st.text(st.sampled_from("a\x00\x07\x1b[\r\n\u202e\u200b\ud800\u2028é "), max_size=30)


@given(title=EVIL, line=EVIL, subject=EVIL, fact=EVIL, count=st.integers(1, 3))
def test_nothing_from_outside_is_more_than_text(
    title: str, line: str, subject: str, fact: str, count: int
) -> None:
    evil = [
        a_notice(n, title=title, lines=(line,), subject=f"server/{subject}{n}", facts={fact: fact})
        for n in range(count)
    ]
    message = message_of("m1", evil, now=NOW, short=short_names)
    odd = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u200b\u2028\ud800]")
    assert "\n" not in message.title
    assert not odd.search(message.title + message.text)
    whole = json.dumps(message.document, ensure_ascii=False)
    assert not odd.search(whole.replace("\\n", ""))
    assert len(message.text.splitlines()) <= 2 * count
