"""Which secrets end when, for warnings in time; pure. Called by `reconcile`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from controller.model.declaration import Declaration, Repo
from controller.model.diagnostic import NOWHERE, Place

DAYS: Final = (30, 7, 1)
"""How many days before its end a secret is warned of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiring:
    """A secret whose end is near or over.

    Args:
        name: of the secret.
        ends: the first day on which it is not valid, in UTC.
        left: whole days until then; 0 on that day, negative after it.
        notice: the threshold that was passed last, 0 when it has ended; with `name` and `ends` it tells one warning from the next.
        repos: names of the repos that log in with it, or whose webhooks it signs.
        tasks: names of the tasks that hand it out.
        place: where it is declared.
    """

    name: str
    ends: date
    left: int
    notice: int
    repos: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    place: Place = NOWHERE

    @property
    def key(self) -> str:
        """Name this warning, so that it is sent once."""
        return f"secret/{self.name}/{self.ends}/{self.notice}"


def expiring(
    declaration: Declaration, now: datetime, days: Sequence[int] = DAYS
) -> tuple[Expiring, ...]:
    """Say what ends within the largest of `days`, or has ended: the nearest end first."""
    return tuple(sorted(_near(declaration, now, days), key=lambda one: (one.ends, one.name)))


def _near(declaration: Declaration, now: datetime, days: Sequence[int]) -> Iterator[Expiring]:
    today = now.astimezone(UTC).date()
    for secret in declaration.secrets.values():
        if secret.ends is None:
            continue
        left = (secret.ends - today).days
        passed = [threshold for threshold in days if left <= threshold]
        if not passed:
            continue
        repos = declaration.repos.values()
        yield Expiring(
            name=secret.name,
            ends=secret.ends,
            left=left,
            notice=min(passed) if left > 0 else 0,
            repos=tuple(repo.name for repo in repos if secret.name in _named_by(repo)),
            tasks=tuple(
                task.name
                for task in declaration.tasks.values()
                if secret.name in task.secrets.values()
            ),
            place=secret.place,
        )


def _named_by(repo: Repo) -> frozenset[str]:
    named = (repo.token, repo.ssh_key, repo.webhook)
    return frozenset(name for name in named if name is not None)
