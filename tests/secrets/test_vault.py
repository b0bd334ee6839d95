"""Values of a Vault: a small server on this machine that answers as one, well and badly."""

import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.secrets import vault
from controller.secrets.trouble import ReadingError
from controller.secrets.vault import vault_of

CANARY = "canary-4711-canary"
TOKEN = "hvs.token-of-tests"  # noqa: S105
ANSWERS: dict[str, object] = {
    "/v1/kv/data/shop": {
        "data": {"data": {"x": CANARY, "n": 5, "empty": ""}, "metadata": {"version": 3}}
    },
    "/v1/secret/shop": {"data": {"x": CANARY, "data": "a key called data"}},
    "/v1/kv/data/gone": {"data": {"data": None, "metadata": {"version": 3}}},
    "/v1/odd/list": [1],
}


class Answering(BaseHTTPRequestHandler):
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers.items())))
        if self.path == "/v1/kv/data/away":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:1/v1/kv/data/shop")
            self.end_headers()
        elif self.headers["X-Vault-Token"] != TOKEN:
            self._send(403, b'{"errors":["permission denied"]}')
        elif self.path == "/v1/kv/data/huge":
            self._send(200, b" " * (vault.LARGEST_ANSWER + 2))
        elif self.path == "/v1/kv/data/broken":
            self._send(200, b"{")
        elif self.path in ANSWERS:
            self._send(200, json.dumps(ANSWERS[self.path]).encode())
        else:
            self._send(404, b'{"errors":[]}')

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""


class Served:
    """One server and the environment that names it."""

    def __init__(self, port: int, asked: list[tuple[str, dict[str, str]]], home: Path) -> None:
        self.environment = {"VAULT_ADDR": f"http://127.0.0.1:{port}", "VAULT_TOKEN": TOKEN}
        self.asked = asked
        self.home = home

    def read(self, path: str, key: str) -> bytes:
        return vault_of(self.environment, self.home).read(path, key)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    asked: list[tuple[str, dict[str, str]]] = []
    handler = type("Handler", (Answering,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Served(server.server_address[1], asked, tmp_path)
        server.shutdown()
        thread.join()


def test_both_versions_of_the_store_give_the_value(served: Served) -> None:
    assert served.read("kv/data/shop", "x") == CANARY.encode()
    assert served.read("secret/shop", "x") == CANARY.encode()
    assert served.read("secret/shop", "data") == b"a key called data"
    assert served.read("kv/data/shop", "n") == b"5"
    assert [path for path, _ in served.asked[:2]] == ["/v1/kv/data/shop", "/v1/secret/shop"]


def test_namespace_and_prefix_are_passed_on(served: Served) -> None:
    served.environment["VAULT_NAMESPACE"] = "team"
    served.environment["VAULT_ADDR"] += "/below/"
    with pytest.raises(ReadingError, match="nothing at that path"):
        served.read("kv/data/shop", "x")
    path, headers = served.asked[0]
    assert path == "/below/v1/kv/data/shop"
    assert headers["X-Vault-Namespace"] == "team"


@pytest.mark.parametrize(
    ("path", "key", "reason"),
    [
        ("kv/data/none", "x", "there is nothing at that path"),
        ("kv/data/shop", "y", "has no key y"),
        ("kv/data/shop", "empty", "is empty"),
        ("kv/data/gone", "x", "has no key x"),
        ("odd/list", "x", "has no key x"),
        ("kv/data/broken", "x", "is no JSON"),
        ("kv/data/huge", "x", "over 1024 KiB"),
        ("kv/data/away", "x", "sends us elsewhere"),
    ],
)
def test_what_gives_no_value_says_why(served: Served, path: str, key: str, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason) as refusal:
        served.read(path, key)
    assert TOKEN not in str(refusal.value)
    assert CANARY not in str(refusal.value)


def test_the_token_may_lie_in_a_file_or_a_credential(served: Served) -> None:
    del served.environment["VAULT_TOKEN"]
    with pytest.raises(ReadingError, match="no token for vault"):
        served.read("kv/data/shop", "x")
    (served.home / ".vault-token").write_text("wrong\n")
    with pytest.raises(ReadingError, match="may not read that path"):
        served.read("kv/data/shop", "x")
    (served.home / "named").write_text(f"{TOKEN}\n")
    served.environment["VAULT_TOKEN_FILE"] = str(served.home / "named")
    assert served.read("kv/data/shop", "x") == CANARY.encode()
    (served.home / "vault-token").write_text("wrong")
    served.environment["CREDENTIALS_DIRECTORY"] = str(served.home)
    with pytest.raises(ReadingError, match="may not read that path"):
        served.read("kv/data/shop", "x")


def test_a_token_with_line_breaks_adds_no_header(served: Served) -> None:
    served.environment["VAULT_TOKEN"] = "x\r\nX-Other: y"  # noqa: S105
    with pytest.raises(ReadingError, match="odd characters"):
        served.read("kv/data/shop", "x")
    assert served.asked == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "VAULT_ADDR is not set"),
        ("vault.example.com", "names no vault"),
        ("ftp://vault.example.com", "names no vault"),
        ("https://user:word@vault.example.com", "names no vault"),
        ("https://vault.example.com:99999", "names no vault"),
        ("http://vault.example.com:8200", "would travel in clear"),
    ],
)
def test_the_address_is_judged_before_a_token_is_looked_for(
    address: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ReadingError, match=reason):
        vault_of({"VAULT_ADDR": address}, tmp_path)


@contextmanager
def dripping() -> Iterator[int]:
    """Listen, answer a byte now and then, never the whole."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(4096)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
                while not over.wait(0.05):
                    try:
                        taken.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join()


def test_an_answer_that_drips_is_cut_off_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "SECONDS", 0.4)
    with dripping() as port:
        environment = {"VAULT_ADDR": f"http://127.0.0.1:{port}", "VAULT_TOKEN": TOKEN}
        with pytest.raises(ReadingError, match="does not answer"):
            vault_of(environment, tmp_path).read("kv/data/shop", "x")


def test_a_vault_that_is_not_there_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = {"VAULT_ADDR": f"http://localhost:{port}", "VAULT_TOKEN": TOKEN}
    with pytest.raises(ReadingError, match="does not answer: connection refused"):
        vault_of(environment, tmp_path).read("kv/data/shop", "x")


def certificate(folder: Path) -> Path:
    """Make a certificate of this machine that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault")])
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    (folder / "vault.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (folder / "vault.crt").write_bytes(made.public_bytes(pem))
    return folder / "vault.crt"


def test_over_tls_the_certificate_has_to_be_trusted_and_be_for_the_host(tmp_path: Path) -> None:
    asked: list[tuple[str, dict[str, str]]] = []
    handler = type("Handler", (Answering,), {"asked": asked})
    authority = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, tmp_path / "vault.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        port = server.server_address[1]
        good = {
            "VAULT_ADDR": f"https://127.0.0.1:{port}",
            "VAULT_TOKEN": TOKEN,
            "VAULT_CACERT": str(authority),
        }
        try:
            assert vault_of(good, tmp_path).read("kv/data/shop", "x") == CANARY.encode()
            strange = {key: value for key, value in good.items() if key != "VAULT_CACERT"}
            with pytest.raises(ReadingError, match="certificate is not trusted") as refusal:
                vault_of(strange, tmp_path).read("kv/data/shop", "x")
            assert "VAULT_CACERT" in (refusal.value.hint or "")
            other = {**good, "VAULT_ADDR": f"https://localhost:{port}"}
            with pytest.raises(ReadingError, match="certificate is not trusted: hostname mismatch"):
                vault_of(other, tmp_path).read("kv/data/shop", "x")
            missing = {**good, "VAULT_CACERT": str(tmp_path / "none")}
            with pytest.raises(ReadingError, match="cannot use VAULT_CACERT"):
                vault_of(missing, tmp_path).read("kv/data/shop", "x")
        finally:
            server.shutdown()
            thread.join()
    assert len(asked) == 1
