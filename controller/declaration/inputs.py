"""The inputs of a pair and their digests: what can change the result of a target on a server.

Called by `pairs` for every distinct piece of work, and by whoever knows a source (`source_digest`). Left out on
purpose: titles, labels, `check`, times, retries, results, how a server is reached, where something is written.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.declaration.traces import UNTRACED, Trace
from controller.model.diagnostic import Place
from controller.model.digest import canonical, digest_of
from controller.model.ids import Digest, Sha
from controller.model.revision import Revision
from controller.model.task import Step, Task
from controller.model.tree import Entry
from controller.model.work import Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """The commit a target is resolved with; `digest` is its `source_digest`, `repo` the repo's name."""

    revision: Revision
    digest: Digest
    repo: str


def source_digest(*, commit: Sha, watched: Iterable[Entry] | None = None) -> Digest:
    """Hash what a target takes from its repo.

    Args:
        commit: the commit, which counts as a whole for a target without `paths:`.
        watched: the files that `paths:` picks at that commit; with them the commit itself does not count.
    """
    if watched is None:
        return digest_of({"commit": commit})
    return digest_of({"files": sorted((entry.path, entry.mode, entry.blob) for entry in watched)})


class Inputs:
    """Makes inputs; equal ones are one shared object and are hashed once."""

    def __init__(self) -> None:
        self._made: dict[tuple[bytes, Place | None, Trace], Input] = {}

    def make(self, value: object, place: Place | None, trace: Trace = UNTRACED) -> Input:
        """Hash a value of JSON types that is written at a place."""
        data = canonical(value)
        key = (data, place, trace)
        found = self._made.get(key)
        if found is None:
            digest = Digest(hashlib.sha256(data).hexdigest())
            found = Input(digest=digest, place=place, text=trace.text, uses=trace.uses)
            self._made[key] = found
        return found


def step_facts(step: Step, scripts: Mapping[str, bytes]) -> dict[str, object]:
    """Gather what counts of a step beside its texts, by key; what has its default is left out."""
    facts: dict[str, object] = {}
    if step.script is not None:
        facts["script"] = hashlib.sha256(scripts[step.script]).hexdigest()
    if step.plugin is not None:
        facts["uses"] = hashlib.sha256(scripts[step.plugin]).hexdigest()
    elif step.uses is not None:  # the server's own: nobody here knows its bytes
        facts["uses"] = {"offered": step.uses}
    if step.shell is not None:
        facts["shell"] = step.shell
    if step.needs:
        facts["needs"] = sorted(step.needs)
    if step.continue_on_error:
        facts["continue_on_error"] = True
    return facts


def secret_facts(task: Task) -> dict[str, object]:
    """Gather which secret goes to which name; values are compared elsewhere."""
    return {f"secrets.{name}": secret for name, secret in task.secrets.items()}


def checkout_facts(task: Task) -> dict[str, object]:
    """Gather what counts of a checkout beside its path; what has its default is left out."""
    if task.checkout is None or task.checkout.releases == 1:
        return {}
    return {"checkout.releases": task.checkout.releases}
