"""`ctl token`: made, listed, rotated, revoked and audited; the secret is shown once and kept nowhere."""

import pytest

from tests.e2e.fleet import Fleet


@pytest.fixture
def empty(fleet: Fleet) -> Fleet:
    fleet.declare("tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n")
    return fleet


def made(fleet: Fleet, *words: str) -> str:
    return fleet.ctl("token", "create", *words).ended(0).out.strip()


def listed(fleet: Fleet, *words: str) -> list[dict[str, object]]:
    return fleet.ctl("token", "list", "-o", "json", *words).ended(0).rows


def test_a_token_is_printed_alone_and_kept_nowhere(empty: Fleet) -> None:
    text = made(empty, "ci", "--role", "operator", "--expires", "90d", "--scope", "targets=t*")
    assert len(text) == 32
    assert text.isalnum()
    (one,) = listed(empty)
    assert (one["id"], one["name"], one["role"]) == (text[:8], "ci", "operator")
    assert one["scope"] == {"targets": "t*", "servers": None}
    for path in empty.state.rglob("*"):
        if path.is_file():
            assert text[8:].encode() not in path.read_bytes(), path
    said = empty.ctl("token", "list").ended(0).out
    assert "targets=t*" in said
    assert "never" in said  # it was never used


def test_a_rotated_token_names_its_successor_and_an_ended_one_leaves_the_list(empty: Fleet) -> None:
    old = made(empty, "ci")[:8]
    new = empty.ctl("token", "rotate", old, "--grace", "1h").ended(0).out.strip()[:8]
    both = {one["id"]: one for one in listed(empty)}
    assert both[old]["successor"] == new
    assert both[old]["grace_until"] is not None
    assert "rotated" in empty.ctl("token", "rotate", old).ended(4).all
    empty.ctl("token", "revoke", new).ended(0)
    empty.ctl("token", "revoke", new).ended(0)  # it is revoked: nothing else was asked
    assert {one["id"] for one in listed(empty)} == {old}
    assert {one["id"] for one in listed(empty, "--all")} == {old, new}


def test_the_audit_says_who_did_what_with_which_token(empty: Fleet) -> None:
    one, other = made(empty, "ci")[:8], made(empty, "ops")[:8]
    empty.ctl("token", "revoke", one).ended(0)
    told = empty.ctl("token", "audit", one, "-o", "json").ended(0).rows
    assert [line["event"] for line in told] == ["token-created", "token-revoking", "token-revoked"]
    assert other not in empty.ctl("token", "audit", one).out
    assert other in empty.ctl("token", "audit").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", "a b"), 64, "1 to 63"),
        (("create", "root"), 64, "root's"),
        (("create", "ci", "--scope", "groups=x"), 64, "targets=GLOB"),
        (("create", "ci", "--scope", "targets=a", "--scope", "targets=b"), 64, "each once"),
        (("create", "ci", "--expires", "soon"), 64, "duration"),
        (("create", "ci", "--expires", "0s"), 64, "ended already"),
        (("create", "ci", "--role", "root"), 64, "viewer"),
        (("revoke", "nothing1"), 1, "no token"),
        (("rotate", "nothing1"), 1, "no token"),
        (("rotate", "nothing1", "--grace", "60d"), 64, "30 days"),
    ],
)
def test_what_cannot_be_done_is_said(
    empty: Fleet, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in empty.ctl("token", *words).ended(code).all
