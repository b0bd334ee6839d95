"""Servers, groups and repos, declared and observed, as documents for programs; the same at the command line and over HTTP.

Pure. Called by the faces.
"""

from typing import Protocol

from controller.model.declaration import Declaration
from controller.model.diagnostic import Place
from controller.model.inventory import Carrier, Server
from controller.model.observation import ServerSeen
from controller.model.safe_text import safe_text
from controller.model.serving import Contact
from controller.reconcile.documents import iso, plain
from controller.reconcile.exchange.status import Sightings


class World(Protocol):
    """What is declared, and what was last seen of it."""

    @property
    def declared(self) -> Declaration:
        """The declarations."""
        ...

    @property
    def seen(self) -> Sightings:
        """Everything last seen."""
        ...


def where(place: Place | None) -> str:
    """Say a place as file:line, "-" without one."""
    return f"{safe_text(place.file)}:{place.line}" if place is not None and place.file else "-"


def server_brief(world: World, name: str) -> dict[str, object]:
    """Give what a list of servers tells of each: how it is reached, and as last seen."""
    server: Server = world.declared.inventory.servers[name]
    seen = world.seen.servers.get(name)
    return {
        "kind": "server",
        "name": name,
        "address": server.address,
        "carrier": server.carrier.value,
        "ssh": plain(server.ssh),
        "agent": plain(server.agent) if server.carrier is Carrier.AGENT else None,
        "groups": list(server.groups),
        "labels": plain(server.labels),
        "active": server.active,
        "place": where(server.place),
        "observed": None if seen is None else seen_document(seen),
        "contact": contact_document(world.seen.contacts.get(name)),
    }


def server_document(world: World, name: str) -> dict[str, object]:
    """Give a server: declared, where each variable came from, and as last seen."""
    server: Server = world.declared.inventory.servers[name]
    return {
        **server_brief(world, name),
        "vars": plain(server.vars),
        "origins": {key: where(place) for key, place in server.origins.items()},
        "check": plain(server.check),
        "concurrency": server.concurrency,
        "targets": sorted(t.name for t in world.declared.targets.values() if name in t.members),
    }


def seen_document(seen: ServerSeen) -> dict[str, object]:
    """Give what was last seen of a server."""
    return {
        "at": iso(seen.at),
        "reached": seen.reached,
        "cause": plain(seen.cause),
        "message": seen.message,
        "login": seen.login,
        "root": seen.root,
        "limits": plain(seen.limits),
        "boot_id": seen.boot_id,
        "host": plain(seen.host),
        "markers": sorted(seen.markers),
    }


def contact_document(contact: Contact | None) -> object:
    """Give how a server was reached over time."""
    document = plain(contact)
    if not isinstance(document, dict):
        return None
    return {key: value for key, value in document.items() if key != "server"}


def repo_document(world: World, name: str) -> dict[str, object]:
    """Give a repo."""
    repo = world.declared.repos[name]
    seen = world.seen.repos.get(name)
    return {
        "kind": "repo",
        "name": name,
        "url": repo.url,
        repo.kind.value: repo.ref,
        "interval": repo.interval,
        "token": repo.token,
        "ssh_key": repo.ssh_key,
        "webhook": repo.webhook,
        "verify": repo.verify,
        "active": repo.active,
        "place": where(repo.place),
        "observed": None if seen is None else plain(seen),
    }


def group_document(world: World, name: str) -> dict[str, object]:
    """Give a group."""
    group = world.declared.inventory.groups[name]
    fields = plain(group)
    body = fields if isinstance(fields, dict) else {}
    limit = None if group.max_unavailable is None else str(group.max_unavailable)
    return {"kind": "group", **body, "max_unavailable": limit, "place": where(group.place)}
