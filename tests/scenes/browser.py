"""A real Chromium without a window, told what to do through chromedriver as the W3C WebDriver standard writes it.

Nothing of it asks anybody but the pages of the tests. What it complains about on its console is kept: refusals of the content security
policy, missing files, errors of scripts.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx

from tests.e2e.agents import free_port
from tests.e2e.fleet import wait_for
from tests.scenes.conftest import program

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which the standard names an element."""
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 40.0


class Browser:
    """One browser.

    Args:
        driver: where chromedriver listens.
        folder: for its profile.
    """

    def __init__(self, driver: str, folder: Path) -> None:
        self._client = httpx.Client(base_url=driver, timeout=PATIENCE)
        wanted = {
            "browserName": "chrome",
            "acceptInsecureCerts": True,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": program("chromium", "chromium"),
                "args": [*QUIET, f"--user-data-dir={folder}"],
            },
        }
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{cast('dict[str, str]', made)['sessionId']}"

    def go(self, url: str) -> None:
        """Open a page and wait until it is there."""
        self._do("url", {"url": url})

    @property
    def title(self) -> str:
        return str(self._get("title"))

    @property
    def url(self) -> str:
        return str(self._get("url"))

    @property
    def text(self) -> str:
        """What a person reads."""
        return str(self._get(f"element/{self._find('body')}/text"))

    def has(self, css: str) -> bool:
        """Say whether there is such an element."""
        found = self._do("elements", {"using": "css selector", "value": css})
        return bool(found)

    def send(self, css: str) -> None:
        """Press the button of a form and wait until the page that answers is there, whatever it says.

        When the answer takes its time, the driver goes on and tells of the old page. So that one is marked: the page without the mark is
        the next.

        Raises:
            TimeoutError: the press leads nowhere.
        """
        self.run("window.isOld = true")
        self._do(f"element/{self._find(css)}/click", {})
        wait_for(self._is_new, seconds=PATIENCE)

    def _is_new(self) -> bool:
        script = "return !window.isOld && document.readyState === 'complete'"
        with contextlib.suppress(AssertionError):  # between two pages there is nowhere to run it
            return self.run(script) is True
        return False

    def type(self, css: str, text: str) -> None:
        self._do(f"element/{self._find(css)}/value", {"text": text})

    def style(self, css: str, name: str) -> str:
        """Say how an element is drawn."""
        return str(self._get(f"element/{self._find(css)}/css/{name}"))

    def run(self, script: str) -> object:
        """Run a script as whoever sits there might, beside the page's own rules."""
        return self._do("execute/sync", {"script": script, "args": []})

    def cookies(self) -> list[dict[str, object]]:
        return cast("list[dict[str, object]]", self._get("cookie"))

    def complaints(self) -> list[str]:
        """Give what it wrote on its console since the last time."""
        told = self._do("se/log", {"type": "browser"})
        return [str(one["message"]) for one in cast("list[dict[str, object]]", told)]

    def end(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            self._client.delete(self._session)
        self._client.close()

    def _find(self, css: str) -> str:
        found = self._do("element", {"using": "css selector", "value": css})
        return cast("dict[str, str]", found)[ELEMENT]

    def _get(self, path: str) -> object:
        return self._ask("GET", f"{self._session}/{path}", None)

    def _do(self, path: str, body: object) -> object:
        return self._ask("POST", f"{self._session}/{path}", body)

    def _ask(self, method: str, path: str, body: object) -> object:
        answer = self._client.request(method, path, json=body)
        told = answer.json()["value"]
        assert answer.is_success, told
        return told


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile, and end it and what it started."""
    driver, port = program("chromedriver", "chromium-driver"), free_port()
    program("chromium", "chromium")
    process = subprocess.Popen(
        [driver, f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _ready(url), seconds=PATIENCE)
        browser = Browser(url, folder / "profile")
        try:
            yield browser
        finally:
            browser.end()
    finally:
        process.terminate()
        process.wait(timeout=10)


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return bool(httpx.get(f"{url}/status").json()["value"]["ready"])
    return False
