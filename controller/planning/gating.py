"""Gating: every draft of a plan is asked about at the gates, targets that come before others first.

Called by `planner`. Calls `circumstances` once, `dependencies` for each target, `gates` for each draft.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from controller.model.ids import Digest
from controller.model.plan import Blocker, Change, Gate
from controller.planning import dependencies
from controller.planning.approvals import approvable
from controller.planning.circumstances import Wanted, gather
from controller.planning.drafts import Draft, Look
from controller.planning.gates import first_blocker
from controller.planning.question import Question


class Gating:
    """The gates of one plan. `changes` are the drafts as changes with their blockers, by target."""

    def __init__(self, look: Look, drafts: Iterable[Draft], asked: Iterable[str] = ()) -> None:
        """Ask about everything; `asked` are targets to know of although nothing would happen to them."""
        self._policy = look.policy
        self._drafts = _by_target(drafts)
        names = {*self._drafts, *asked}
        self._wanted = {name: _wanted(self._drafts.get(name, ())) for name in sorted(names)}
        found = gather(
            look.declaration, look.inputs, look.observed, look.policy, look.now, self._wanted
        )
        # What comes before what is only known while the targets are asked, one after the other.
        self._answers = dict(found.targets)
        self.circumstances = replace(found, targets=self._answers)
        self.changes: dict[str, Sequence[Change]] = {}
        self._ask_all(look)

    @property
    def approvable(self) -> Mapping[str, Digest]:
        """The digest of each target that an approval is bound to."""
        return {
            name: one.approvable for name, one in self._wanted.items() if one.approvable is not None
        }

    def _ask_all(self, look: Look) -> None:
        stuck = dependencies.left_out(
            look.declaration, look.observed, look.policy, look.inputs.pairs
        )
        waited_for = {name for one in look.declaration.targets.values() for name in one.after}
        for name in dependencies.in_order(look.declaration, self._wanted):
            target = look.declaration.targets.get(name)
            unmet = None if target is None else dependencies.unmet(target, stuck)
            if unmet is not None:
                self._answers[Gate.DEPENDENCY, name] = unmet
            drafts = self._drafts.get(name, ())
            self.changes[name] = [self._asked(draft) for draft in drafts]
            if name in waited_for:
                declared = (
                    change
                    for draft, change in zip(drafts, self.changes[name], strict=True)
                    if not draft.leaves
                )
                found = dependencies.first_stuck(declared)
                if found is not None:
                    stuck[name] = found

    def _asked(self, draft: Draft) -> Change:
        change = draft.change
        blocker: Blocker | None = None
        if draft.asks:
            question = Question(
                subject=draft.subject,
                trigger=change.trigger,
                policy=self._policy,
                action=change.action,
                circumstances=self.circumstances,
            )
            blocker = first_blocker(question)
        unresolved = draft.subject.work is None and not draft.leaves
        unknown = change.unknown or (unresolved and blocker is None)
        if blocker is None and unknown == change.unknown:
            return change
        return replace(change, blocked_by=blocker, unknown=unknown)


def _by_target(drafts: Iterable[Draft]) -> dict[str, list[Draft]]:
    found: dict[str, list[Draft]] = {}
    for draft in drafts:
        found.setdefault(draft.change.target, []).append(draft)
    return found


def _wanted(drafts: Sequence[Draft]) -> Wanted:
    changes = [draft.change for draft in drafts if draft.wants]
    digests = (change.after for change in changes)
    return Wanted(
        approvable=approvable(changes),
        digests=frozenset(digest for digest in digests if digest is not None),
    )
