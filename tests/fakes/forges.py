"""Forges over plain http on loopback: each takes commit statuses as the real one does, and remembers them."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "canary-forge-token"  # noqa: S105 - of a server on loopback
SHA = "823b2230a56056231c9425d63758fa87078a66b4"
AUTHORIZATION = {
    "github": ("Authorization", f"Bearer {TOKEN}"),
    "gitlab": ("PRIVATE-TOKEN", TOKEN),
    "gitea": ("Authorization", f"token {TOKEN}"),
}
PATHS = {
    "github": f"/api/v3/repos/acme/shop/statuses/{SHA}",
    "gitlab": f"/api/v4/projects/acme%2Fshop/statuses/{SHA}",
    "gitea": f"/api/v1/repos/acme/shop/statuses/{SHA}",
}
ABOUT = {"github": "/api/v3/meta", "gitlab": "/api/v4/version", "gitea": "/api/v1/version"}
STATES = {
    "github": {"pending", "success", "failure", "error"},
    "gitlab": {"pending", "running", "success", "failed", "canceled"},
    "gitea": {"pending", "success", "failure", "error", "warning"},
}


@dataclass(slots=True, kw_only=True)
class FakeForge:
    """One forge: what it is, what was asked of it, and how it answers instead, if it is to."""

    kind: str
    url: str = ""
    below: str = ""
    asked: list[str] = field(default_factory=list)
    posted: list[dict[str, str]] = field(default_factory=list)
    instead: tuple[int, Mapping[str, str]] | None = None
    about: tuple[int, Mapping[str, str]] | None = None


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, forge: FakeForge, *arguments: object) -> None:
        self.forge = forge
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base
        """Keep quiet."""

    def do_GET(self) -> None:
        forge = self.forge
        forge.asked.append(f"GET {self.path}")
        if self.path != forge.below + ABOUT[forge.kind]:
            self._answer(404, {"Content-Type": "text/html"})
        elif forge.about is not None:
            self._answer(*forge.about)
        else:
            self._answer(200 if self._known() else 401)

    def do_POST(self) -> None:
        forge = self.forge
        forge.asked.append(f"POST {self.path}")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if forge.instead is not None:
            self._answer(*forge.instead)
        elif not self._known():
            self._answer(401)
        elif self.path != forge.below + PATHS[forge.kind]:
            self._answer(404)
        elif body["state"] not in STATES[forge.kind] or len(body["description"]) > 140:
            self._answer(422)
        elif forge.kind == "gitlab" and body["state"] == "pending" and body in forge.posted:
            self._answer(400)
        else:
            forge.posted.append(body)
            self._answer(201)

    def _known(self) -> bool:
        name, value = AUTHORIZATION[self.forge.kind]
        return self.headers.get(name) == value

    def _answer(self, code: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b'{"message": "an answer"}')


@contextmanager
def fake_forge(kind: str, *, below: str = "") -> Iterator[FakeForge]:
    """Serve one forge, in a folder of its host if wanted, until the block ends."""
    forge = FakeForge(kind=kind, below=below)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, forge))
    forge.url = f"http://127.0.0.1:{server.server_port}{below}/acme/shop.git"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
