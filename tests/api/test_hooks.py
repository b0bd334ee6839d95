"""Webhooks: a signed push pokes its repo; whatever else comes learns nothing."""

import hashlib
import hmac

from tests.api.serving import House
from tests.api.test_hostile import raw

BODY = b'{"ref": "refs/heads/main", "after": "' + b"a" * 40 + b'"}'


def signed(body: bytes, secret: bytes) -> dict[str, str]:
    return {
        "x-hub-signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
        "x-github-event": "push",
        "content-type": "application/json",
    }


async def test_a_signed_push_is_a_hint_to_look(home: House) -> None:
    home.small.secrets["shop"] = b"of the hook"
    for _ in range(2):
        got = await home.ask(
            "POST", "/hooks/shop", content=BODY, headers=signed(BODY, b"of the hook")
        )
        assert got.status_code == 202, got.text
    assert home.small.pokes == [("repo/shop", 5.0)] * 2
    assert home.small.base.activity.tail(1)[0].event == "hook-taken"


async def test_nobody_learns_which_repos_there_are(home: House) -> None:
    home.small.secrets["shop"] = b"of the hook"
    answers = set()
    for repo in ("shop", "blog", "nothing"):
        for headers in (
            {},
            signed(BODY, b"wrong"),
            signed(BODY + b" ", b"of the hook"),
            {"x-gitlab-token": "wrong"},
        ):
            got = await home.ask("POST", f"/hooks/{repo}", content=BODY, headers=headers)
            answers.add((got.status_code, got.text))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    assert home.small.pokes == []


async def test_a_push_is_bounded_and_comes_by_post(home: House) -> None:
    home.small.secrets["shop"] = b"of the hook"
    told = b"Content-Length: %d\r\n" % ((25 << 20) + 1)
    assert b" 413 " in await raw(home, b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\n" + told + b"\r\n")
    assert (await home.ask("GET", "/hooks/shop")).status_code == 405
    assert (await home.ask("POST", "/hooks/")).status_code == 404
    senseless = await home.ask(
        "POST", "/hooks/shop", content=b"{", headers=signed(b"{", b"of the hook")
    )
    assert senseless.status_code < 500
