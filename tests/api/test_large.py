"""What thousands of servers say at once is told as what a few say, and holds nobody."""

from datetime import UTC, datetime
from pathlib import Path

from controller.api.resources import fleet as handlers
from controller.errors import Unreachable
from controller.model.observation import ServerSeen
from controller.model.token import Role
from tests.api.serving import house
from tests.e2e.fleet import launched

SERVERS = 2 * handlers.MANY
DECLARED = f"""\
servers:
  web-[0001:{SERVERS:04}].example.com: {{groups: [web], active: true}}
  db.example.com: {{groups: [db], active: true}}
tasks: {{hello: {{run: echo hello}}}}
targets: {{shop: {{servers: web, task: hello}}, base: {{servers: db, task: hello}}}}
"""


async def test_a_status_of_a_network_that_is_down_names_every_server_within_the_scope(
    tmp_path: Path,
) -> None:
    with launched(tmp_path) as fleet:
        async with house(fleet, declared=DECLARED) as home:
            generation = home.small.generation
            assert generation is not None
            await home.small.store.observations.put_servers(
                ServerSeen(server=name, at=datetime.now(UTC), reached=False, cause=Unreachable.DNS)
                for name in generation.declaration.inventory.servers
            )
            admin = await home.ask("GET", "/api/v1/status", token=await home.token("a", Role.ADMIN))
            scoped = await home.ask(
                "GET", "/api/v1/status", token=await home.token("b", servers="db")
            )
    assert (admin.status_code, scoped.status_code) == (200, 200), admin.text
    assert len(admin.json()["problems"]) == len(generation.declaration.inventory.servers) > SERVERS
    assert [one["subject"] for one in scoped.json()["problems"]] == ["server/db.example.com"]
