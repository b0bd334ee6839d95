"""The steps that resolve pairs and make the plan; deciding itself is pure and lives in `planning`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.declaration import pairs
from controller.errors import ControllerError
from controller.jobs.marker import manifest
from controller.model.applied import Applied
from controller.model.diagnostic import Diagnostic, Severity
from controller.model.ids import Sha
from controller.model.masking import Masker
from controller.model.plan import Change, Plan
from controller.model.revision import Written
from controller.planning import attribution, planner
from controller.planning.inputs import Inputs, PairKey, Policy
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.known import known_seen
from controller.reconcile.walk.loading import (
    load,
    named_files,
    see_config,
    tree_of,
)
from controller.reconcile.walk.repos import see_repos
from controller.reconcile.walk.seen import Seen


async def resolve_pairs(rooms: Rooms, seen: Seen) -> Seen:
    """Render the work of every pair in scope and hash its inputs.

    Raises:
        InvalidDeclarationError: a template cannot be rendered.
    """
    found = await asyncio.to_thread(
        pairs.resolve, seen.declaration, seen.sources, rooms.renderer, scope=seen.scope
    )
    if any(finding.severity is Severity.ERROR for finding in found.diagnostics):
        refuse(rooms, seen, found.diagnostics)
    return replace(seen, pairs=found.pairs, diagnostics=(*seen.diagnostics, *found.diagnostics))


def refuse(rooms: Rooms, seen: Seen, diagnostics: tuple[Diagnostic, ...]) -> None:
    """Stop at errors, with the code they stand in."""
    raise InvalidDeclarationError(diagnostics, named_files(tree_of(rooms, seen), diagnostics))


async def take_before(rooms: Rooms, seen: Seen) -> Seen:
    """For `--between`: take what the first commit asks for as what is in force everywhere."""
    if seen.request.between is None:
        return seen
    first, _ = seen.request.between
    before = replace(seen, request=replace(seen.request, at=first, between=None), diagnostics=())
    for step in (see_config, load, see_repos, resolve_pairs):
        before = await step(rooms, before)
    records: dict[PairKey, Applied] = {
        (pair.target, pair.server): Applied(
            target=pair.target,
            server=pair.server,
            applied=pair.work.digest,
            manifest=manifest(pair.work.inputs),
            commit=commit_of(before, pair.target),
        )
        for pair in before.pairs
    }
    return replace(seen, records=records, servers={})


def commit_of(seen: Seen, target: str) -> Sha | None:
    """Give the repo's commit of a target, None without one."""
    source = seen.sources.get(target)
    return None if source is None else source.revision.sha


async def make_plan(rooms: Rooms, seen: Seen) -> Seen:
    """Ask the planner, then say who wrote the lines that the changes come from."""
    seen = replace(seen, serial=await rooms.store.runs.serial(), timezone=rooms.timezone)
    now = seen.request.as_of or rooms.clock.now()
    policy = replace(policy_of(seen), proved=rooms.proved)
    plan = await rooms.aside.do(lambda: planned(seen, policy, rooms.masker, now))
    if seen.revision is not None and seen.by_hand:  # the loop shows its plans to nobody
        found = attribution.candidates(plan, seen.declaration, seen.pairs)
        # A work tree that is not committed has lines of its own, and others further down.
        sha = None if seen.dirty else seen.revision.sha
        written = await asyncio.to_thread(rooms.config.blame, found.places, sha)
        removed: Mapping[str, Written] = {}
        if sha is not None and found.gone:
            names = set(found.gone.values())
            removed = await asyncio.to_thread(rooms.config.last_mentions, names, sha)
        authors = attribution.Authors(
            written=written, removed=removed, uncommitted=frozenset(seen.dirty)
        )
        plan = attribution.attribute(plan, found, authors)
    return replace(seen, plan=plan)


def planned(seen: Seen, policy: Policy, masker: Masker, now: datetime) -> Plan:
    """Ask the planner, and hide secrets in what was read on servers."""
    plan = planner.plan(seen.declaration, inputs_of(seen), known_seen(seen), policy, now)
    return replace(plan, changes=tuple(masked(change, masker) for change in plan.changes))


def inputs_of(seen: Seen) -> Inputs:
    """Hand over what is wished."""
    revision = seen.revision
    return Inputs(
        pairs=seen.pairs,
        sources={name: source.revision for name, source in seen.sources.items()},
        commit=None if revision is None else revision.sha,
        dirty=bool(seen.dirty),
        author=None if revision is None else revision.author,
        subject=None if revision is None else revision.subject,
        secrets=seen.compared,
        blocked_sources=seen.blocked,
        diagnostics=seen.diagnostics,
    )


def policy_of(seen: Seen) -> Policy:
    """Hand over what the person asked for."""
    filters = {}
    if seen.request.limit is not None:
        filters["limit"] = seen.request.limit
    if seen.request.targets:
        filters["target"] = ",".join(seen.request.targets)
    if seen.request.as_of is not None:
        filters["as-of"] = f"{seen.request.as_of:%Y-%m-%d %H:%M:%S}Z"
    return Policy(
        scope=seen.scope,
        filters=filters,
        heal=seen.request.heal,
        by_hand=seen.by_hand,
        named=None if seen.by_hand else frozenset(),
        retry=seen.retry,
        full=seen.request.full,
        standing=seen.standing,
        overrides=seen.request.overrides,
        resuming=seen.resuming,
        timezone=seen.timezone,
        serial=seen.serial,
    )


def masked(change: Change, masker: Masker) -> Change:
    """Hide secrets in what was read on the server for this change."""
    if not change.files:
        return change
    files = tuple(replace(one, diff=masker.text(one.diff)) for one in change.files)
    return replace(change, files=files)


def plan_of(seen: Seen) -> Plan:
    """Give the plan of a finished walk."""
    if seen.plan is None:
        raise ControllerError("cannot use a plan before it is made")
    return seen.plan
