"""Which line of the declaration a change comes from, as far as the planner can tell without asking git.

Called by `verdict` and `removal`.
"""

from controller.model.plan import Cause
from controller.model.revision import Revision
from controller.model.work import Work
from controller.planning.origins import origins
from controller.planning.subject import Subject


def target_cause(subject: Subject, key: str = "") -> Cause:
    """Point at a key of the target, or at the target."""
    target = subject.target
    place = None if target is None else (target.places.get(key) or target.places.get(""))
    return Cause() if place is None else Cause(file=place.file, line=place.line)


def input_cause(
    subject: Subject, work: Work, names: tuple[str, ...], revision: Revision | None
) -> Cause:
    """Point at the commit of the source, else at the likeliest line that the inputs come from."""
    if "source" in names and revision is not None:
        key = target_cause(subject, "repo")
        return Cause(file=key.file, line=key.line, commit=revision.sha, author=revision.author)
    found = origins(work, names, subject.server)
    return (
        Cause(file=found[0].file, line=found[0].first) if found else target_cause(subject, "task")
    )
