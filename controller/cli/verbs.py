"""Every verb, in the order of the help, with the module that holds it.

`app` imports only the module of the verb that was typed; completion reads the names without importing any.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb: its module below `controller.cli`, and whether it is a group of further verbs."""

    module: str
    help: str
    group: tuple[str, ...] = ()
    rest: bool = False
    """Whether words after `--` are handed to it as they are."""


VERBS: Final[dict[str, Verb]] = {
    "init": Verb(module="init", help="Scaffold a config repository that works at once."),
    "validate": Verb(module="validate", help="Say everything that is wrong, all at once."),
    "plan": Verb(module="plan", help="Show what would happen, and why."),
    "apply": Verb(module="apply", help="Do what the plan says."),
    "status": Verb(module="status", help="One screen: wanted, applied, problems."),
    "why": Verb(module="why", help="Ask every gate of a target on a server."),
    "drift": Verb(
        module="drift",
        help="What differs on servers: see it, adopt it, ignore it.",
        group=("show", "adopt", "ignore"),
    ),
    "suspend": Verb(module="suspend", help="Switch a target off, with a reason."),
    "resume": Verb(module="resume", help="Switch a target on again."),
    "approve": Verb(module="approve", help="Say yes to exactly what a plan does to a target."),
    "rollback": Verb(module="rollback", help="Hold a target at an earlier commit."),
    "history": Verb(module="history", help="What ran of a target."),
    "get": Verb(module="get", help="Show what is declared and what was observed."),
    "run": Verb(module="run", help="Run a task, a target or a command now.", rest=True),
    "tasks": Verb(module="tasks", help="List the scripts that servers offer."),
    "inspect": Verb(module="inspect", help="Show a script that a server offers."),
    "check": Verb(
        module="check", help="Look at something now.", group=("server", "repo", "config")
    ),
    "trust": Verb(module="trust", help="Show host keys and pin them after a yes."),
    "jobs": Verb(
        module="jobs",
        help="What ran, and what it said.",
        group=(
            "list",
            "show",
            "logs",
            "retry",
            "resolve",
            "attach",
            "stop",
            "pause",
            "resume",
            "archive",
            "artifacts",
            "workspace",
        ),
    ),
    "pool": Verb(
        module="pool",
        help="How many jobs the agents of servers run at once.",
        group=("show", "set"),
    ),
    "logs": Verb(
        module="logs",
        help="The activity and connectivity logs.",
        group=("activity", "connectivity", "verify"),
    ),
    "serve": Verb(module="serve", help="The controller that stays: reconcile for ever."),
    "token": Verb(
        module="token",
        help="Who may talk to a serving controller.",
        group=("create", "list", "rotate", "revoke", "audit"),
    ),
    "backup": Verb(module="backup", help="Write the whole state into one file."),
    "restore": Verb(module="restore", help="Make a state from a backup, held until you say so."),
    "pki": Verb(
        module="pki",
        help="Certificates for agents, people and controllers.",
        group=("init", "issue", "list", "show", "renew", "revoke", "invite"),
    ),
    "secret": Verb(
        module="secret",
        help="Age keys, and files that only their holders can read.",
        group=("keygen", "encrypt", "decrypt"),
    ),
    "agent": Verb(
        module="agent",
        help="The agent of a server: run it, enrol it, install it.",
        group=("run", "enroll", "install"),
    ),
    "top": Verb(module="top.command", help="Watch it all live, and act on many jobs at once."),
    "inventory": Verb(module="inventory", help="The JSON Ansible reads from an inventory script."),
    "import": Verb(
        module="imports", help="Turn what you have into YAML.", group=("ansible", "ssh-config")
    ),
    "explain": Verb(module="explain", help="Explain a kind, or one of its keys."),
    "schema": Verb(module="schema", help="Print a JSON Schema."),
    "doctor": Verb(module="doctor", help="Check what a controller needs."),
    "demo": Verb(module="demo", help="Show it all on two ssh servers of its own."),
    "completion": Verb(module="completion", help="Print a completion script."),
    "help": Verb(module="help", help="Explain a verb, or the exit codes."),
    "version": Verb(module="version", help="Print the version."),
}

LATER: Final = ("mcp",)
"""Verbs that are known and refused: not supported yet."""
