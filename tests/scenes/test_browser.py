"""The pages of a serving controller in a real browser: they show, complain of nothing, let in by form, and run nobody's script."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.scenes.browser import Browser, browsing
from tests.scenes.fronts import fronted

pytestmark = [pytest.mark.real, pytest.mark.sweep]

DECLARED = "tasks: {a: {run: 'true'}}\ntargets: {shop: {servers: here, task: a}}\n"
HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


@pytest.fixture
def served(fleet: Fleet) -> Iterator[Served]:
    fleet.declare(DECLARED)
    with serving(fleet) as made:
        wait_for(lambda: made.in_sync("shop"), seconds=30)
        yield made


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path) as made:
        yield made


def log_in(browser: Browser, url: str, token: str) -> None:
    browser.go(f"{url}/login")
    browser.type("#token", token)
    browser.send("form.login button")


def test_every_page_shows_and_complains_of_nothing(served: Served, browser: Browser) -> None:
    for path, words in (
        ("/", ("shop", "in-sync", "here", "Log in")),
        ("/docs", ("/api/v1/status", "/api/v1/jobs")),
        ("/login", ("Token",)),
    ):
        browser.go(f"{served.url}{path}")
        assert all(word in browser.text for word in words), browser.text
        assert browser.title.endswith("Tillerman")
        assert browser.complaints() == []
    assert browser.style("header nav", "display") == "flex", "the style was taken"


def test_without_a_login_there_is_nothing_to_press(served: Served, browser: Browser) -> None:
    browser.go(served.url)
    assert not browser.has("form, button, input")
    assert "succeeded" in browser.text, "states are shown"
    assert "true" not in browser.text, "commands are not"


def test_a_person_logs_in_and_out_by_form(served: Served, browser: Browser) -> None:
    log_in(browser, served.url, "x" * 32)
    assert "This token is not good." in browser.text
    assert all("401" in one for one in browser.complaints())
    log_in(browser, served.url, served.token)
    assert browser.url == f"{served.url}/"
    assert "Log out" in browser.text
    (cookie,) = browser.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert browser.run("return document.cookie") == "", "no script could read it"
    browser.send("nav button")
    assert "Log in" in browser.text
    assert browser.cookies() == []
    assert browser.complaints() == []


def test_a_login_ends_with_its_token(served: Served, browser: Browser) -> None:
    told = served.ctl("token", "create", "guest", "--role", "viewer", "-o", "json").ended(0).json
    log_in(browser, served.url, str(told["token"]))
    assert "Log out guest" in browser.text
    served.ctl("token", "revoke", str(told["token"])[:8]).ended(0)
    browser.go(served.url)
    assert "Log in" in browser.text


def test_behind_the_tls_of_a_proxy_the_login_is_for_tls_alone(
    fleet: Fleet, browser: Browser
) -> None:
    fleet.declare(DECLARED)
    with fronted(fleet, "haproxy") as front:
        wait_for(lambda: front.served.in_sync("shop"), seconds=30)
        log_in(browser, front.url, front.served.token)
        assert "Log out" in browser.text
        (cookie,) = browser.cookies()
        assert (cookie["name"], cookie["secure"]) == ("__Host-ctl", True)
        browser.go(front.url)
        assert "Log out" in browser.text
        browser.send("nav button")
        assert "Log in" in browser.text
        assert browser.complaints() == []


def test_what_strangers_wrote_is_text(served: Served, browser: Browser) -> None:
    served.ctl("suspend", "shop", "--reason", HOSTILE).ended(0)
    log_in(browser, served.url, served.token)
    assert HOSTILE in browser.text
    assert "owned" not in browser.title
    assert browser.complaints() == []


def test_even_what_came_into_a_page_runs_nothing_and_asks_nobody(
    served: Served, browser: Browser
) -> None:
    browser.go(served.url)
    assert browser.complaints() == []
    browser.run(
        "const made = document.createElement('script'); made.text = \"document.title = 'owned'\";"
        "document.body.append(made);"
        "const far = document.createElement('img'); far.src = 'http://127.0.0.1:9/x.png';"
        "document.body.append(far);"
        "const frame = document.createElement('iframe'); frame.src = '/docs';"
        "document.body.append(frame);"
    )
    refused: list[str] = []

    def all_refused() -> bool:
        refused.extend(one for one in browser.complaints() if "Content Security Policy" in one)
        return len(refused) >= 3

    wait_for(all_refused)
    assert "owned" not in browser.title
