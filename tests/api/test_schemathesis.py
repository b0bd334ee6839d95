"""Requests that a machine makes up from the description, good ones and bad ones: never a 5xx, never what is not described."""

import asyncio
import sys

import pytest

from controller.api.resources import config
from controller.model.token import Role
from tests.api.serving import House

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(autouse=True)
def unlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no look at the config repository: nobody looks here."""
    monkeypatch.setattr(config, "WAIT", 0.01)


async def tried(home: House, token: str | None, *, examples: int, phases: str) -> str:
    """Have requests made up and sent; give what was said about the answers, nothing when all were good."""
    headers = [] if token is None else ["--header", f"Authorization: Bearer {token}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{home.url}/openapi.json",
        "--url", home.url, *headers,
        "--checks", CHECKS, "--phases", phases, "--max-examples", str(examples),
        "--exclude-operation-id", "events", "--exclude-operation-id", "logout",
        "--no-color", "--generation-deterministic", "--continue-on-failure",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode(errors="replace")
    assert "Operations:" in text, text
    return "" if process.returncode == 0 else text


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.sweep
async def test_made_up_requests_of_an_admin_are_answered_as_described(home: House) -> None:
    said = await tried(
        home, await home.token("admin", Role.ADMIN), examples=3, phases="examples,fuzzing"
    )
    assert not said, said[-8000:]


@pytest.mark.sweep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("role", [None, *Role])
async def test_many_made_up_requests_find_no_server_error(home: House, role: Role | None) -> None:
    token = None if role is None else await home.token("made-up", role)
    said = await tried(home, token, examples=50, phases="examples,coverage,fuzzing")
    assert not said, said[-8000:]
