"""A controller that serves over TLS and knows an authority, and people with real certificates who come to it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from controller.api.app import build
from controller.api.server import Server, serve
from controller.api.settings import ApiSettings, Listen, Tls
from controller.pki.people import People
from controller.pki.role import Role
from tests.api.serving import House
from tests.pki.place import CN, NOW, ORG, OU, Place, founded

LONG_AGO = NOW - timedelta(days=200)


@dataclass(slots=True, kw_only=True)
class Front:
    """Where people come, and their authority."""

    home: House
    place: Place
    server: Server
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    @property
    def url(self) -> str:
        host, port = self.server.address
        return f"https://{host}:{port}"

    def client(self, who: str | None, *, newest: bool = True) -> httpx.AsyncClient:
        """Give a client that shows the certificate of a name, on connections of its own."""
        key = f"{who}/{newest}"
        if key not in self._clients:
            context = ssl.create_default_context(cafile=self.place.trust)
            if not newest:
                context.maximum_version = ssl.TLSVersion.TLSv1_2
            if who is not None:
                one = self.place.identity(who)
                context.load_cert_chain(one.certificate, one.key)
            self._clients[key] = httpx.AsyncClient(base_url=self.url, verify=context, timeout=20)
        return self._clients[key]

    async def ask(
        self,
        method: str,
        path: str,
        who: str | None = None,
        *,
        token: str | None = None,
        json: object = None,
        **headers: str,
    ) -> httpx.Response:
        """Send one request."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        return await self.client(who).request(method, path, json=json, headers=sent)

    async def close(self) -> None:
        """Let go of all connections."""
        for one in self._clients.values():
            await one.aclose()
        self._clients.clear()


@contextlib.asynccontextmanager
async def front(home: House, folder: Path, settings: ApiSettings) -> AsyncIterator[Front]:
    """Serve over TLS beside a controller."""
    place = authority(folder)
    tls = Tls(certificate=folder / "main.crt", key=folder / "main.key", trust=place.trust)
    gate = build(home.small, settings, People(folder))
    server = serve(gate, Listen(port=0), tls, settings)
    server.bind()
    task = asyncio.create_task(server.run())
    made = Front(home=home, place=place, server=server)
    try:
        yield made
    finally:
        await made.close()
        server.stop()
        await task


def authority(folder: Path) -> Place:
    """Found an authority that has certified all kinds of people and machines."""
    founded(folder, now=LONG_AGO)
    before = Place(path=folder, now=LONG_AGO)
    before.issue("late", Role.ADMIN, days=30)
    place = Place(path=folder)
    place.issue("main", Role.CONTROLLER, alternatives=("127.0.0.1",))
    place.issue("web-1")
    place.issue("ops", Role.ADMIN)
    for name in ("ann", "ben", "maker", "lifted", "gone", "root", "daemon"):
        place.issue(name, Role.USER)
    both = [(ORG, "Example"), (OU, "user"), (OU, "admin"), (CN, "both")]
    sign(place, "both", both)
    sign(place, "early", [(ORG, "Example"), (OU, "admin"), (CN, "early")], begins=1)
    return place


def sign(
    place: Place, file: str, names: Sequence[tuple[ObjectIdentifier, str]], *, begins: int = -1
) -> None:
    """Have the authority sign what its own tools never would; it is good from so many days on."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(place.trust.read_bytes())
    signer = serialization.load_pem_private_key((place.path / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, text) for oid, text in names]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=begins))
        .not_valid_after(NOW + timedelta(days=begins + 30))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    (place.path / f"{file}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path = place.path / f"{file}.key"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
