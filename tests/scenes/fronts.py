"""Other people's proxies before a serving controller: TLS ends there, on addresses of the loopback that tell who is who."""

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.e2e.agents import free_port
from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.scenes.conftest import program

PROXY = "127.0.5.1"
"""From where the proxy comes."""
HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 4s
frontend browsers
  bind 127.0.0.1:{port} ssl crt {papers}
  option forwardfor
  default_backend ctl
backend ctl
  server ctl 127.0.0.1:{behind} source {source}
"""
NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {papers};
    ssl_certificate_key {papers};
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_bind {source};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A proxy with a controller behind it."""

    served: Served
    port: int
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        """Where browsers see it."""
        return f"https://127.0.0.1:{self.port}"

    def client(self, place: str, *, token: str = "") -> httpx.Client:
        """Be somebody at an address."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=place)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(transport=transport, base_url=self.url, headers=headers, timeout=20)

    def connect(self, place: str) -> ssl.SSLSocket:
        """Open a connection from an address."""
        plain = socket.create_connection(("127.0.0.1", self.port), 20, (place, 0))
        return self.trust.wrap_socket(plain, server_hostname="127.0.0.1")


@contextlib.contextmanager
def fronted(fleet: Fleet, name: str) -> Iterator[Front]:
    """Serve behind a proxy of a name: haproxy or nginx."""
    found = program(name, name)
    folder, port = fleet.folder / name, free_port()
    folder.mkdir()
    papers = _papers(folder)
    named = ("--origin", f"https://127.0.0.1:{port}", "--proxy", PROXY)
    with serving(fleet, *named) as made:
        settings = folder / "settings"
        text = {"haproxy": HAPROXY, "nginx": NGINX}[name]
        behind = urlsplit(made.url).port
        settings.write_text(
            text.format(port=port, papers=papers, behind=behind, source=PROXY, folder=folder)
        )
        words = {"haproxy": ["-f"], "nginx": ["-p", str(folder), "-c"]}[name]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([found, *words, str(settings)], stdout=log, stderr=log)
        try:
            front = Front(served=made, port=port, trust=ssl.create_default_context(cafile=papers))
            wait_for(lambda: _answers(front) or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield front
        finally:
            process.terminate()
            process.wait(timeout=10)


def _answers(front: Front) -> bool:
    with contextlib.suppress(httpx.TransportError), front.client("127.0.0.1") as somebody:
        return somebody.get("/healthz").status_code == 200
    return False


def _papers(folder: Path) -> Path:
    """Make a key and a certificate of its own, in one file."""
    key, certificate, both = folder / "key", folder / "certificate", folder / "papers.pem"
    name = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-keyout", key, "-out", certificate, *name],
        check=True,
        capture_output=True,
    )
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both
