"""A git server over plain http on loopback: `git http-backend` behind basic authentication."""

import base64
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(slots=True, kw_only=True)
class GitHttp:
    """What a running server offers, and who came."""

    root: Path
    token: str
    url: str = ""
    logins: list[str] = field(default_factory=list)
    redirect: str | None = None


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, server: GitHttp, *arguments: object) -> None:
        self.git = server
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base
        """Keep quiet."""

    def _serve(self) -> None:
        if self.git.redirect is not None:
            self.send_response(302)
            self.send_header("Location", self.git.redirect + self.path)
            self.end_headers()
            return
        login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic "))
        user, _, password = login.decode().partition(":")
        if password != self.git.token:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.git.logins.append(user)
        self._answer()

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "reader",
        }
        command = ["git", "http-backend"]
        done = subprocess.run(
            command, env=environment, input=body, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def git_http(root: Path, token: str) -> Iterator[GitHttp]:
    """Serve every repository below a folder until the block ends."""
    offer = GitHttp(root=root, token=token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, offer))
    offer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
    thread.start()
    try:
        yield offer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
