"""Serving: TLS, addresses, stopping."""

import asyncio
import ssl
import subprocess
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from controller.api.app import build
from controller.api.server import serve
from controller.api.settings import Listen, Tls
from controller.errors import UsageError
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, reachable
from tests.api.test_work import ended


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """A certificate for the loopback."""
    made = Tls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made.key, "-out", made.certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


async def test_it_serves_over_tls_and_over_nothing_old(home: House, tls: Tls) -> None:
    settings = replace(QUICK, tls=True)
    server = serve(build(home.small, settings), Listen(port=0), tls, settings)
    host, port = server.bind()
    task = asyncio.create_task(server.run())
    trusted = ssl.create_default_context(cafile=tls.certificate)
    old = ssl.create_default_context(cafile=tls.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        async with httpx.AsyncClient(verify=trusted) as client:
            got = await client.get(f"https://{host}:{port}/healthz")
            assert got.status_code == 200
            assert "strict-transport-security" in got.headers
        async with httpx.AsyncClient(verify=old) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://{host}:{port}/healthz")
    finally:
        server.stop()
        await task


async def test_what_cannot_be_listened_on_or_used_is_said_at_once(home: House, tls: Tls) -> None:
    _, port = home.server.address
    gate = build(home.small, QUICK)
    with pytest.raises(UsageError, match="cannot listen on"):
        serve(gate, Listen(port=port), None, QUICK).bind()
    with pytest.raises(UsageError, match="cannot use the certificate"):
        serve(gate, Listen(port=0), replace(tls, key=tls.certificate), QUICK)
    with pytest.raises(UsageError, match="cannot use the certificate"):
        serve(gate, Listen(port=0), replace(tls, key=Path("/nowhere")), QUICK)


async def test_a_stop_ends_streams_and_lets_what_is_under_way_end(home: House) -> None:
    headers = {"authorization": f"Bearer {await home.token('op', Role.OPERATOR)}"}
    async with (
        asyncio.timeout(10),
        home.client.stream("GET", "/api/v1/events", headers=headers) as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id: ")
        body = {"kind": "run", "target": "shop"}
        running = asyncio.create_task(home.ask("POST", "/api/v1/runs", json=body, headers=headers))
        await asyncio.sleep(0.05)
        home.server.stop()
        told = [line async for line in lines]
        assert "event: bye" in told
        assert (await running).status_code == 202
    for _ in range(100):
        if not await reachable(home):
            return
        await asyncio.sleep(0.05)
    pytest.fail("it still answers")


async def test_a_backup_is_handed_out_whole_and_leaves_nothing_behind(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    admin = await home.token("admin", Role.ADMIN)
    run = await home.ask(
        "POST", "/api/v1/runs", token=admin, json={"kind": "run", "target": "shop"}
    )
    await ended(home, admin, run.json()["run"])
    got = await home.ask("POST", "/api/v1/backup", token=admin)
    assert got.status_code == 200, got.text
    with tarfile.open(fileobj=BytesIO(got.content)) as archive:
        assert any(name.endswith("state.db") for name in archive.getnames())
    await asyncio.sleep(0.2)
    assert list(place.iterdir()) == []
    scoped = await home.token("scoped", Role.ADMIN, targets="shop")
    assert (await home.ask("POST", "/api/v1/backup", token=scoped)).status_code == 403
