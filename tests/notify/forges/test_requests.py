"""What is asked of each forge, and what is made of its answers."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from controller.model.ids import Sha
from controller.notify.exchange import Answer
from controller.notify.forges.addresses import address_of
from controller.notify.forges.requests import LONGEST_WAIT, Forge, judge, posting
from controller.notify.forges.statuses import Light, Status
from controller.notify.trouble import NotifyError
from tests.fakes.forges import SHA

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GREEN = Status(state=Light.SUCCESS, description="1 server: 1 succeeded", context="ctl/shop")


def answered(code: int, forge: Forge = Forge.GITHUB, **headers: str) -> NotifyError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(NotifyError) as refusal:
        judge(forge, GREEN, Answer(status=code, headers=named), now=NOW)
    return refusal.value


@pytest.mark.parametrize(
    ("forge", "url", "wanted", "header"),
    [
        (
            Forge.GITHUB,
            "git@github.com:acme/shop.git",
            f"https://api.github.com/repos/acme/shop/statuses/{SHA}",
            ("Authorization", "Bearer secret"),
        ),
        (
            Forge.GITHUB,
            "https://git.example.com/acme/shop",
            f"https://git.example.com/api/v3/repos/acme/shop/statuses/{SHA}",
            ("Authorization", "Bearer secret"),
        ),
        (
            Forge.GITLAB,
            "https://gitlab.com/acme/web/shop.git",
            f"https://gitlab.com/api/v4/projects/acme%2Fweb%2Fshop/statuses/{SHA}",
            ("PRIVATE-TOKEN", "secret"),
        ),
        (
            Forge.GITEA,
            "https://example.com/git/acme/shop.git",
            f"https://example.com/git/api/v1/repos/acme/shop/statuses/{SHA}",
            ("Authorization", "token secret"),
        ),
    ],
)
def test_each_forge_is_asked_in_its_own_words(
    forge: Forge, url: str, wanted: str, header: tuple[str, str]
) -> None:
    request = posting(forge, address_of(url), Sha(SHA), GREEN, "secret\n")
    assert (request.method, request.url) == ("POST", wanted)
    assert request.headers[header[0]] == header[1]
    assert "secret" not in repr(request)
    name = "name" if forge is Forge.GITLAB else "context"
    said = {"state": "success", "description": GREEN.description, name: "ctl/shop"}
    assert json.loads(request.body) == said


@pytest.mark.parametrize(
    ("light", "word"),
    [(Light.PENDING, "pending"), (Light.FAILURE, "failed"), (Light.ERROR, "failed")],
)
def test_gitlab_has_other_words(light: Light, word: str) -> None:
    status = Status(state=light, description="", context="c", url="https://ctl.example.com")
    address = address_of("https://gitlab.com/a/b")
    said = json.loads(posting(Forge.GITLAB, address, Sha(SHA), status, "t").body)
    assert (said["state"], said["target_url"]) == (word, "https://ctl.example.com")


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nHost: x", "\xfc"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(NotifyError, match="its token is empty, or") as refusal:
        posting(Forge.GITEA, address_of("https://git.example.com/a/b"), Sha(SHA), GREEN, token)
    assert refusal.value.permanent


def test_github_knows_no_deeper_paths() -> None:
    with pytest.raises(NotifyError, match="an owner and a name"):
        posting(Forge.GITHUB, address_of("https://github.com/a/b/c"), Sha(SHA), GREEN, "t")


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 599])
def test_what_tells_of_the_moment_is_worth_another_try(code: int) -> None:
    assert not answered(code).permanent
    assert answered(code, retry_after="17").retry_after == 17


@pytest.mark.parametrize("code", [301, 302, 400, 401, 403, 404, 410, 422])
def test_what_tells_of_the_status_is_not(code: int) -> None:
    refusal = answered(code)
    assert refusal.permanent
    assert str(code) in str(refusal)
    assert (refusal.hint is None) == (code in {400, 410, 422})


def test_a_forge_that_counts_requests_is_waited_for_however_it_says_so() -> None:
    at = int(NOW.timestamp())
    reset = answered(403, x_ratelimit_remaining="0", x_ratelimit_reset=str(at + 90))
    assert (reset.permanent, reset.retry_after) == (False, 90)
    assert answered(429, retry_after=format_datetime(NOW.replace(minute=2))).retry_after == 120
    assert answered(503, retry_after="999999999").retry_after == LONGEST_WAIT
    past = answered(403, x_ratelimit_remaining="0", x_ratelimit_reset=str(at - 90))
    assert past.retry_after == 0
    for odd in ("", "soon", "-1", "\xb2", "9" * 400):
        assert answered(503, retry_after=odd).retry_after in {None, LONGEST_WAIT}
        assert answered(403, x_ratelimit_remaining="5", x_ratelimit_reset=odd).permanent


def test_an_older_gitlab_that_waits_already_is_no_trouble() -> None:
    waiting = Status(state=Light.PENDING, description="", context="c")
    judge(Forge.GITLAB, waiting, Answer(status=400), now=NOW)
    for forge, status in ((Forge.GITLAB, GREEN), (Forge.GITHUB, waiting)):
        with pytest.raises(NotifyError):
            judge(forge, status, Answer(status=400), now=NOW)
