"""Putting a commit of the config repository in force: read, judged by what this controller allows, and remembered.

Called by the reconciler of `config`, and with every heartbeat by `service`. The commit in force is kept by the repository itself and
as a mark, so that a restart, and other processes of the same state, come to the same one. Declarations that hold errors change
nothing. Those that merely ask for what this controller does not allow on its own machine are taken, and the servers and repos that
ask for it are inactive.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from controller.declaration import files, loader
from controller.errors import NotFoundError, RewoundError
from controller.model.declaration import Declaration, Repo
from controller.model.diagnostic import Diagnostic, Place
from controller.model.ids import Sha
from controller.model.inventory import Server
from controller.model.revision import Revision
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.loop import looks, owing
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.refusing import (
    ACCEPT,
    SHOWN,
    SUBJECT,
    accept_again,
    invalid_of,
    line_of,
    refuse,
)
from controller.reconcile.loop.statuses import SAID
from controller.reconcile.loop.world import World
from controller.reconcile.walk.loading import known_hosts
from controller.reconcile.walk.seen import Seen

LOG: Final = logging.getLogger(__name__)
ACCEPTED: Final = "config/accepted"
"""The mark that names the commit in force."""
Block = TypeVar("Block", Server, Repo)


async def consent_now(world: World) -> looks.Consent | None:
    """Give the word of somebody who accepts a rewind, where it counts now."""
    marks = world.rooms.store.marks
    known = await marks.get(ACCEPTED)
    return await looks.consented(
        marks, accepted=None if known is None else Sha(known), now=world.rooms.clock.now()
    )


async def recall(world: World) -> None:
    """Put in force again what was in force before this process began; declarations that were valid once are taken as they are.

    Raises:
        RewoundError: the mirror was lost, and the branch does not hold the commit any more that was in force; nobody accepts that.
        SourceError: the mirror was lost, and the remote is out of reach.
    """
    known = await world.rooms.store.marks.get(ACCEPTED)
    if known is not None:
        await begin_at(world, Sha(known))
    head = await asyncio.to_thread(world.config.head)
    if head is None:
        return
    try:
        await put_in_force(world, await load(world, head))
    except InvalidDeclarationError as error:
        await refuse(world, invalid_of(world, head.sha, error))


async def begin_at(world: World, sha: Sha) -> None:
    """Begin with what was in force before, where the mirror was lost; or with what is there, where somebody accepts that."""
    try:
        await world.config.begin_at(sha)
    except RewoundError as error:
        if await consent_now(world) is None:
            error.hint = ACCEPT
            raise


async def follow(world: World) -> None:
    """Put in force what another process of this state has accepted; called with every heartbeat.

    Raises:
        SourceError: the remote is out of reach.
    """
    accepted = await world.rooms.store.marks.get(ACCEPTED)
    known = world.generation
    if accepted is None or (known is not None and known.revision.sha == accepted):
        return
    try:
        revision = await asyncio.to_thread(world.config.revision, Sha(accepted))
    except NotFoundError:
        # It was judged by whoever accepted it; of what else this look may bring, nothing comes into force.
        await world.config.look(accept_rewind=True)
        revision = await asyncio.to_thread(world.config.revision, Sha(accepted))
    generation = await load(world, revision)
    if await world.rooms.store.marks.get(ACCEPTED) != accepted or world.generation is not known:
        return  # that took a while, and another one is in force by now, or about to be
    await world.config.accept(revision.sha)
    await put_in_force(world, generation)


async def take(world: World, revision: Revision) -> None:
    """Put a commit in force, unless it is already, or was refused before and nothing has changed since."""
    if world.generation is not None and world.generation.revision.sha == revision.sha:
        await accept_again(world)
        return
    if world.invalid is not None and world.invalid.sha == revision.sha:
        await refuse(world, world.invalid)
        return
    try:
        generation = await load(world, revision)
        refuse_unmarked(generation)
    except InvalidDeclarationError as error:
        await refuse(world, invalid_of(world, revision.sha, error))
        return
    await world.config.accept(revision.sha)
    await world.rooms.store.marks.put(ACCEPTED, revision.sha)
    await put_in_force(world, generation)
    await tell_of_change(world, generation)
    await accept_again(world)


async def load(world: World, revision: Revision) -> Generation:
    """Read what a commit declares, beside the loop: it may take seconds.

    Raises:
        InvalidDeclarationError: its files hold errors.
        SourceError: they cannot be read.
    """
    rooms = world.rooms
    tree = await asyncio.to_thread(world.config.tree, revision.sha)
    now = rooms.clock.now()
    loaded = await asyncio.to_thread(loader.load, tree, forms=rooms.forms, now=now)
    if loaded.declaration is None:
        raise InvalidDeclarationError(loaded.diagnostics, {})
    refused = world.refusals(loaded.declaration)
    declaration = without(loaded.declaration, refused)
    seen = Seen(
        revision=revision,
        tree=tree,
        declaration=declaration,
        diagnostics=loaded.diagnostics,
        reach=rooms.reach(declaration, known_hosts(tree, declaration)),
    )
    return Generation(seen=seen, revision=revision, at=now, refused=refused)


def refuse_unmarked(generation: Generation) -> None:
    """Refuse a commit that is no config repository: one that was emptied, or is of something else.

    Raises:
        InvalidDeclarationError: it has no settings file.
    """
    tree = generation.seen.tree
    if tree is not None and files.SETTINGS not in tree.entries:
        finding = Diagnostic(
            code="no-settings-file",
            message=f"cannot find {files.SETTINGS}: this is no config repository",
            place=Place(file=files.SETTINGS),
            hint=f"keep a {files.SETTINGS} at the root, even an empty one",
        )
        raise InvalidDeclarationError((finding,), {})


def without(declaration: Declaration, refused: Iterable[Diagnostic]) -> Declaration:
    """Switch off the servers and repos that findings speak of; what secrets they speak of cannot be read anyway."""
    places = {finding.place: finding.hint for finding in refused}
    if not places:
        return declaration
    inventory = declaration.inventory
    return replace(
        declaration,
        inventory=replace(inventory, servers=_off(inventory.servers, places)),
        repos=_off(declaration.repos, places),
    )


def _off(blocks: Mapping[str, Block], places: Mapping[Place, str | None]) -> dict[str, Block]:
    return {
        name: replace(block, active=False, needs_flag=places[block.place])
        if block.place in places
        else block
        for name, block in blocks.items()
    }


async def put_in_force(world: World, generation: Generation) -> None:
    """Change the generation of this process, and wake everything."""
    before = world.generation
    if before is not None and before.revision.sha == generation.revision.sha:
        return  # at a start the mark and the mirror are read side by side
    now = await world.force.change(generation)
    world.counts.generations += 1
    LOG.info("commit %s is in force", now.revision.sha[:7])
    for one in now.refused:
        LOG.warning("%s: %s; %s", one.place, one.message, one.hint or "not allowed here")
    if before is not None:
        await drop_gone(world, before.declaration, now.declaration)
    world.changed.set()


async def drop_gone(world: World, before: Declaration, after: Declaration) -> None:
    """Forget the keys of what is no longer declared, and the marks; what is still known of a target is decided about until it is gone."""
    targets = before.targets.keys() - after.targets.keys()
    gone = [
        *(Key(Kind.REPO, name) for name in before.repos.keys() - after.repos.keys()),
        *(
            Key(Kind.SERVER, name)
            for name in before.inventory.servers.keys() - after.inventory.servers.keys()
        ),
        *(Key(Kind.SCHEDULE, name) for name in targets),
    ]
    for key in gone:
        await world.queue.drop(str(key))
        await world.forget(key)
    for name in targets:
        key = Key(Kind.TARGET, name)
        await world.forget(key, f"{SAID}{name}")
        await world.add(key)
    for name in owing.scheduled(before) - owing.scheduled(after):
        await owing.forget(world, name)


async def tell_of_change(world: World, generation: Generation) -> None:
    """Tell that other declarations are in force."""
    revision = generation.revision
    await world.rooms.activity.append(
        "config-accepted",
        world.rooms.actor,
        commit=revision.sha,
        author=revision.author,
        refused=[line_of(one) for one in generation.refused[:SHOWN]],
    )
    world.news.tell("config", SUBJECT, commit=revision.sha, valid=True)
