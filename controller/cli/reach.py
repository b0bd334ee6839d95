"""What each verb works on: by hand, and with `--controller`, as a table for people, and for whoever types a flag that cannot count.

Called by `options` and by the reference. Verbs are named in full, such as "jobs list"; a test holds this against all there are, and
against a serving controller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Verbs that reach alike. `there` None: they work on this machine, whatever controller serves elsewhere."""

    verbs: tuple[str, ...]
    here: str
    there: str | None


TABLE: Final = (
    Reach(
        verbs=("plan",),
        here="the checkout here, its state and the servers",
        there="the checkout here against what the controller knows, elsewhere the controller's own plan; "
        "`--out` only by hand",
    ),
    Reach(
        verbs=("apply",),
        here="the checkout here, or a plan file",
        there="what the controller has in force; `--no-wait` leaves the run to it; a plan file and `--allow-dirty` only by hand",
    ),
    Reach(
        verbs=("run",),
        here="the servers from here",
        there="by the controller; results and `--outdir` as by hand; `--addr` and `--pki` only by hand",
    ),
    Reach(
        verbs=("tasks", "inspect"),
        here="the agents from here",
        there="by the controller; `--addr` and `--pki` only by hand",
    ),
    Reach(
        verbs=("get",),
        here="what the work tree declares, what the state saw",
        there="what is in force, what the controller saw; secrets by name, kind and end alone",
    ),
    Reach(
        verbs=("status", "why", "history", "top", "suspend", "resume", "approve", "rollback"),
        here="the state here",
        there="the same of the controller",
    ),
    Reach(
        verbs=("drift show", "drift ignore", "check server", "check repo", "pool show", "pool set"),
        here="the servers and repos from here",
        there="by the controller",
    ),
    Reach(
        verbs=("check config",),
        here="nothing: the checkout is what is in force",
        there="the config repository of the controller",
    ),
    Reach(
        verbs=("drift adopt",),
        here="a patch for the checkout here",
        there="a patch that the controller makes, for the checkout here",
    ),
    Reach(
        verbs=(
            "jobs list",
            "jobs show",
            "jobs logs",
            "jobs attach",
            "jobs retry",
            "jobs resolve",
            "jobs stop",
            "jobs pause",
            "jobs resume",
            "jobs artifacts",
            "jobs workspace ls",
            "jobs workspace get",
            "jobs workspace rm",
        ),
        here="jobs of the state here",
        there="jobs of the controller",
    ),
    Reach(
        verbs=("jobs workspace put",),
        here="a file of any size",
        there="a file of at most 25 MiB",
    ),
    Reach(
        verbs=("jobs archive",),
        here="the archive of the state here, or `--out`",
        there="the archive of the controller, which puts old jobs away by itself; `--out` and `--older-than` only by hand",
    ),
    Reach(
        verbs=("logs activity", "logs connectivity", "logs verify"),
        here="the logs of the state here",
        there="the logs of the controller",
    ),
    Reach(
        verbs=("token create", "token list", "token rotate", "token revoke", "token audit"),
        here="who may use a controller on the state here",
        there="who may use the controller",
    ),
    Reach(
        verbs=("backup",),
        here="the state here",
        there="the state of the controller, into a file here",
    ),
    Reach(
        verbs=("doctor",),
        here="this machine, the checkout, the state",
        there="the controller: its parts, declarations and logs",
    ),
    Reach(
        verbs=(
            "init",
            "validate",
            "trust",
            "inventory",
            "import ansible",
            "import ssh-config",
            "explain",
            "schema",
        ),
        here="files of the checkout here",
        there=None,
    ),
    Reach(
        verbs=("serve", "demo"),
        here="a state of this machine",
        there=None,
    ),
    Reach(
        verbs=("restore",),
        here="a state of this machine",
        there="`--release` alone, which is heard at once",
    ),
    Reach(
        verbs=(
            "pki init",
            "pki issue",
            "pki list",
            "pki show",
            "pki renew",
            "pki revoke",
            "pki invite",
            "agent run",
            "agent enroll",
            "agent install",
            "secret keygen",
            "secret encrypt",
            "secret decrypt",
        ),
        here="keys and certificates, which stay where they are",
        there=None,
    ),
    Reach(verbs=("completion", "help", "version"), here="the program itself", there=None),
)
"""In the order in which people read it."""

REACH: Final[Mapping[str, Reach]] = {verb: one for one in TABLE for verb in one.verbs}


def stays_here(verb: str) -> bool:
    """Say whether a verb works on this machine whatever controller serves elsewhere."""
    found = REACH.get(verb)
    return found is not None and found.there is None
