"""Secrets of every kind go through a serving controller by every way it has, and nothing that it wrote, said or sent holds one of them."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx
import pytest

from controller.secrets import age
from controller.secrets.sops.closing import close_document
from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.e2e.test_secret_kinds import NOW
from tests.e2e.test_secrets import forms, holding
from tests.fakes import processes
from tests.fakes.git_http import git_http
from tests.fakes.repositories import Repository
from tests.secrets.closed import RECIPIENT, key_in

pytestmark = [pytest.mark.real, pytest.mark.sweep]

VARIABLES = ("by-env", "forge", "hook", "ops-url")
"""Secrets that lie in variables of the controller."""
FILES = ("by-exec", "by-credential", "by-file")
ALL = (*VARIABLES, *FILES, "by-age", "by-sops", "by-vault")
DECLARED = """\
repos:
  app: {{url: "{app}", token: forge, webhook: hook, interval: 1h}}
secrets:
  by-env: {{env: BY_ENV}}
  by-file: {{file: {lies}/by-file}}
  by-age: {{age: secrets/one.age}}
  by-sops: {{sops: secrets/prod.yaml, key: db.password}}
  by-exec: {{exec: [cat, {lies}/by-exec]}}
  by-credential: {{credential: by-credential}}
  by-vault: {{vault: kv/data/shop, key: x}}
  forge: {{env: FORGE}}
  hook: {{env: HOOK}}
  ops-url: {{env: OPS_URL}}
notifiers:
  ops: {{url: {{secret: ops-url}}, events: [failed, recovered, succeeded, started, after-step]}}
  pager: {{exec: [sh, -c, "cat >> {sent}; env >> {sent}"], events: [failed, recovered, after-step]}}
"""
USED = """\
tasks:
  use:
    secrets: {{A: by-env, B: by-file, C: by-age, D: by-sops, E: by-exec, F: by-credential, G: by-vault}}
    files: [{{path: {there}/conf, template: templates/conf.j2}}]
    steps:
      keep: {{run: 'printf "%s\\n" "$A" "$B" "$C" "$D" "$E" "$F" "$G" > {there}/kept'}}
      show: {{run: 'cat {there}/kept; base64 -w0 {there}/kept; printf "k=%s\\n" "$A" >> "$CTL_OUTPUT"', needs: [keep]}}
      fail: {{run: 'cat {there}/kept {there}/conf >&2; test -e {there}/good', needs: [show]}}
targets:
  t: {{repo: app, servers: here, task: use}}
"""
READ = (
    "status", "targets", "targets/t", "targets/t/history", "servers", "servers/here", "repos", "repos/app", "groups", "tasks",
    "tasks/use", "state", "drift", "runs", "jobs", "logs/activity", "logs/connectivity", "tokens", "tokens/audit",
    "why?target=t&server=here",
)  # fmt: skip
"""What is read over the API, below /api/v1."""


@dataclass(slots=True, kw_only=True)
class Outside:
    """A chat that takes notes, and a Vault; `took` is what the chat was told."""

    vault: dict[str, str] = field(default_factory=dict)
    took: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def outside() -> Iterator[tuple[str, Outside]]:
    """Run both at one address."""
    offered = Outside()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            offered.took.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            self._send(204, b"")

        def do_GET(self) -> None:
            self._send(200, json.dumps({"data": {"data": offered.vault, "metadata": {}}}).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", offered
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Watch:
    """Looks at the arguments of every process, again and again."""

    def __init__(self, words: list[bytes]) -> None:
        self._words = words
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen: set[bytes] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.is_set():
            lists = processes.arguments()
            self.seen.update(word for word in self._words if word in lists)
            time.sleep(0.01)


class Stream:
    """Reads a stream of the API for as long as the test lasts."""

    def __init__(self, served: Served, path: str) -> None:
        self._client = httpx.Client(timeout=60)
        self._served, self._path = served, path
        self.read = b""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self) -> bytes:
        """Give what was read, once the controller has ended it."""
        self._thread.join(timeout=30)
        return self.read

    def _follow(self) -> None:
        headers = {"authorization": f"Bearer {self._served.token}"}
        with (
            contextlib.suppress(httpx.HTTPError),
            self._client,
            self._client.stream("GET", self._served.url + self._path, headers=headers) as answer,
        ):
            for piece in answer.iter_raw():
                self.read += piece


def unpacked(read: bytes) -> bytes:
    """Give the bytes that a stream of output carried."""
    lines = [one.removeprefix(b"data: ") for one in read.splitlines() if one.startswith(b"data: ")]
    return b"".join(base64.b64decode(json.loads(one).get("data", "")) for one in lines)


def prepare(fleet: Fleet, app: str, base: str, offered: Outside) -> dict[str, str]:
    """Put a value of each kind where it belongs; give the values."""
    values = {kind: f"{kind}-{os.urandom(8).hex()}" for kind in ALL}
    lies, there = fleet.folder / "lies", fleet.folder / "there"
    lies.mkdir()
    there.mkdir()
    for kind in FILES:
        (lies / kind).write_text(values[kind] + "\n")
    offered.vault["x"] = values["by-vault"]
    for kind in VARIABLES:
        fleet.variables[kind.upper().replace("-", "_")] = values[kind]
    values["vault-token"] = f"hvs.{os.urandom(8).hex()}"
    fleet.variables |= {
        "OPS_URL": f"{base}/{values['ops-url']}",
        "SOPS_AGE_KEY_FILE": str(key_in(lies)),
        "CREDENTIALS_DIRECTORY": str(lies),
        "VAULT_ADDR": base,
        "VAULT_TOKEN": values["vault-token"],
    }
    document = f"db: {{password: {values['by-sops']}, port: 5432}}\n".encode()
    fleet.declare(
        USED.format(there=there),
        inventory__secrets_yaml=DECLARED.format(app=app, lies=lies, sent=fleet.folder / "sent"),
        secrets__prod_yaml=close_document("prod.yaml", document, [RECIPIENT], NOW).decode(),
        **{
            "secrets__one.age": age.seal(values["by-age"].encode(), [RECIPIENT]).decode(),
            "templates__conf.j2": "password = {{ secret('by-age') }}\nother = {{ secret('by-env') }}\n",
        },
    )
    return values


def pushed(served: Served, key: str) -> int:
    """Tell of a push as a script would."""
    body = b'{"ref": "refs/heads/main"}'
    sign = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-signature": f"sha256={sign}"}
    return httpx.post(f"{served.url}/hooks/app", content=body, headers=headers).status_code


def test_nothing_that_is_written_said_or_sent_holds_a_secret(fleet: Fleet) -> None:  # noqa: PLR0915
    apps = fleet.folder / "apps"
    app = Repository(apps / "app")
    app.commit({"a": "1"})
    allow = "local,file-repos,env,file,exec,credential,vault"
    token = f"forge-{os.urandom(8).hex()}"
    with git_http(apps, token) as remote, outside() as (base, offered):
        values = prepare(fleet, f"{remote.url}/app", base, offered)
        values["forge"] = fleet.variables["FORGE"] = token
        words = [form for value in values.values() for form in forms(value)]
        there = fleet.folder / "there"
        with Watch(words) as watch, serving(fleet, "--debug", allow=allow) as served:
            values["admin"] = served.token[8:]
            words += forms(values["admin"])
            events = Stream(served, "/api/v1/events")
            wait_for(lambda: [job["state"] for job in served.jobs()] == ["failed"], seconds=60)
            assert (there / "kept").read_text().split() == [
                values[f"by-{one}"] for one in ("env", "file", "age", "sops", "exec", "credential", "vault")
            ]  # fmt: skip
            assert values["by-age"] in (there / "conf").read_text()
            (there / "good").touch()
            (there / "conf").write_text("drifted\n")
            app.commit({"a": "2"})
            assert pushed(served, values["hook"]) == 202
            assert pushed(served, "wrong-key") == 401
            wait_for(lambda: served.in_sync() and len(served.jobs()) == 2, seconds=60)
            jobs = [str(job["id"]) for job in served.jobs()]
            outputs = [Stream(served, f"/api/v1/jobs/{one}/output") for one in jobs]
            adhoc = served.ctl("run", "--on", "here", "--", f"cat {there}/kept {there}/conf")
            said = [adhoc.all, *(served.ctl("jobs", "logs", one).ended(0).all for one in jobs)]
            said += [json.dumps(served.ask(f"/api/v1/{path}")) for path in READ]
            said += [json.dumps(served.ask(f"/api/v1/jobs/{one}")) for one in jobs]
            said += [
                str(served.ask(path)) for path in ("/", "/metrics", "/health", "/openapi.json")
            ]
            said += [served.ctl(*one).all for one in (("plan",), ("status",), ("logs", "activity"))]
            refused = served.ask("/api/v1/status", token=served.token[:-1] + "0")
            assert refused[0] == 401
            backup = fleet.folder / "backup.tar"
            fleet.ctl("backup", str(backup)).ended(0)
            sent = (
                fleet.folder / "sent"
            )  # letters about one thing wait half a minute for each other
            wait_for(lambda: len(offered.took) >= 2 and sent.exists(), seconds=60)
            assert served.stop() == 0
            first = served.text.replace(served.token, "")  # shown this once, as it has to be
        said += [first, str(refused), fleet.ctl("logs", "verify").ended(0).all]
    held = b"".join([*offered.took, *(one.end() for one in (events, *outputs))])
    assert all("****" in one for one in said[1:3])  # it was there, and hidden
    output = b"".join(unpacked(one.read) for one in outputs)
    assert b"****" in output
    held += output
    assert [word for word in words if word in "".join(said).encode()] == []
    assert [word for word in words if word in held] == []
    assert watch.seen == set()
    besides = (fleet.folder / "lies", there, fleet.state / "admin-token")
    assert holding(fleet.folder, words, besides=besides) == []
    assert [p for one in jobs for p in holding(fleet.base() / "jobs" / one, words)] == []
