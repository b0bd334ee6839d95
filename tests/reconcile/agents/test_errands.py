"""What a server says of an errand is read without trust: bounded, as text, and never as more than one answer."""

import json

import pytest

from controller.reconcile.agents.errands import LONGEST, _Lines
from controller.reconcile.exchange.installs import InstallError


def lines(*said: bytes) -> tuple[_Lines, list[str]]:
    told: list[str] = []
    heard = _Lines("web-1", told.append)
    for one in said:
        heard.take(one)
    return heard, told


def line(**members: object) -> bytes:
    return json.dumps(members).encode() + b"\n"


def test_steps_are_told_and_the_answer_is_given_however_the_bytes_come() -> None:
    whole = line(say="wrote /a") + line(answer={"root": True})[:-1]
    heard, told = lines(*(whole[at : at + 1] for at in range(len(whole))))
    assert heard.answer() == {"root": True}
    assert told == ["wrote /a"]
    assert heard.seen == len(whole)


def test_what_it_says_is_shown_as_text() -> None:
    heard, told = lines(line(say="\x1b[2Jgone\nnext: rm"), line(failed="x", message="\x1b]0;y\x07"))
    assert "\x1b" not in told[0] + "\n".join(told)
    assert "\n" not in told[0]
    with pytest.raises(InstallError) as failed:
        heard.answer()
    assert "\x1b" not in failed.value.message
    assert failed.value.message.startswith("web-1: ")


@pytest.mark.parametrize(
    "said", [b"", b"Traceback\nImportError: no\n", b"[]\n", b'{"answer": 3}\n']
)
def test_no_answer_is_an_error_with_its_last_words(said: bytes) -> None:
    heard, _ = lines(said)
    with pytest.raises(InstallError, match="cannot install on web-1: its Python said"):
        heard.answer()


def test_a_server_that_never_stops_talking_is_left() -> None:
    heard, _ = lines(b"x" * LONGEST)
    with pytest.raises(InstallError, match="says more than"):
        heard.take(b"y")
