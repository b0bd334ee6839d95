"""What every gate is asked about. Made by `gating`, read by `rules` and `facts`."""

from dataclasses import dataclass, field

from controller.model.job import Trigger
from controller.model.plan import Action
from controller.planning.circumstances import Circumstances
from controller.planning.inputs import Policy
from controller.planning.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every gate is asked about: a pair, what would happen to it and why, and what the person wants."""

    subject: Subject
    trigger: Trigger
    policy: Policy
    action: Action = Action.CHANGE
    circumstances: Circumstances = field(default_factory=Circumstances)

    @property
    def removes(self) -> bool:
        """Whether the pair is let go."""
        return self.action in {Action.REMOVE, Action.FORGET}
