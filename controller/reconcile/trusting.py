"""`ctl trust`: show the keys that servers and git hosts offer, and pin those a person says yes to."""

from collections.abc import Sequence
from pathlib import Path

from controller.errors import NotFoundError, StateError, UsageError
from controller.model.inventory import Carrier, Server, Ssh
from controller.reconcile.exchange.checks import KeyOffer
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk
from controller.source.url import Scheme, parse
from controller.transport.keys import SSH_PORT, KeyScanner, line

REPO = "repo/"


async def offers(rooms: Rooms, names: Sequence[str]) -> tuple[KeyOffer, ...]:
    """Ask servers and git hosts for their keys; nothing is trusted by that.

    Raises:
        NotFoundError: a name is neither a server nor "repo/NAME".
        TransportError: one does not show a key.
    """
    seen = await walk(rooms, Seen(), (see_config, load))
    scanner = rooms.key_scanner(reach_of(seen).known_hosts)
    found: list[KeyOffer] = []
    for name in names:
        found += await offers_of(asked(seen, name), scanner)
    return tuple(found)


async def offers_of(server: Server, scanner: KeyScanner) -> list[KeyOffer]:
    """Ask one host for its keys and compare them with what is pinned."""
    pinned = {key.algorithm: key.encoded for key in scanner.pinned(server)}
    return [
        KeyOffer(
            name=server.name,
            address=server.address,
            port=server.ssh.port,
            line=line((server.name, server.address), server.ssh.port, key),
            fingerprint=key.fingerprint,
            known=pinned.get(key.algorithm) == key.encoded,
            conflicts=pinned.get(key.algorithm, key.encoded) != key.encoded,
        )
        for key in await scanner.scan(server)
    ]


def asked(seen: Seen, name: str) -> Server:
    """Find who is meant: a server, or the host of a repo."""
    if name.startswith(REPO):
        return git_host(seen, name.removeprefix(REPO))
    servers = seen.declaration.inventory.servers
    if name not in servers:
        raise NotFoundError(f"there is no server {name!r}", hint="ctl get servers")
    if servers[name].carrier is not Carrier.SSH:
        raise UsageError(f"server {name} is not reached over ssh", hint="it has no host key to pin")
    return servers[name]


def git_host(seen: Seen, name: str) -> Server:
    """Describe the host of a repo that is fetched over ssh."""
    if name not in seen.declaration.repos:
        raise NotFoundError(f"there is no repo {name!r}", hint="ctl get repos")
    url = parse(seen.declaration.repos[name].url)
    if url.scheme is not Scheme.SSH or url.host is None:
        raise UsageError(f"repo {name} is not fetched over ssh", hint="it has no host key to pin")
    return Server(name=url.host, address=url.host, ssh=Ssh(port=url.port or SSH_PORT))


def pins_file(root: Path, name: str) -> Path:
    """Name the file of pinned keys; a link in the repository must not lead us to write elsewhere.

    Raises:
        StateError: it lies outside the config repository.
    """
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise StateError(f"cannot write {path}: it leads out of the config repository")
    return path


async def accept(rooms: Rooms, chosen: Sequence[KeyOffer]) -> str:
    """Pin keys in the file that the settings name; give its path.

    Raises:
        StateError: the file cannot be written.
    """
    seen = await walk(rooms, Seen(), (see_config, load))
    path = pins_file(rooms.config.root, seen.declaration.settings.known_hosts)
    told = {"keys": [f"{offer.name} {offer.fingerprint}" for offer in chosen], "file": str(path)}
    await rooms.activity.append("keys-pinning", rooms.actor, **told)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.exists() else ""
        gap = "" if not before or before.endswith("\n") else "\n"
        with path.open("a") as file:
            file.write(gap + "".join(f"{offer.line}\n" for offer in chosen if not offer.known))
    except OSError as error:
        raise StateError(f"cannot write {path}: {error.strerror}") from error
    await rooms.activity.conclude("keys-pinned", rooms.actor, **told)
    return str(path)
