"""Tokens and the invitations behind them, for people and programs.

Called by `inviting`. A token is shown once, when it is made.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from controller.cli.views.style import Style
from controller.cli.views.tables import table
from controller.pki.invitations import Invitation
from controller.pki.inviting import Invited


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A new token, and the command that uses it."""

    invited: Invited
    at: str

    @property
    def command(self) -> str:
        """What is typed on the server."""
        one = self.invited
        words = ("ctl", "agent", "enroll", "--connect", self.at, "--name", one.invitation.name)
        return shlex.join([*words, "--token", one.token, "--ca-pin", one.pin])

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        one = self.invited.invitation
        lines = (
            f"name     {one.name}",
            f"token    {self.invited.token}",
            f"pin      {self.invited.pin}",
            f"expires  {one.expires:%Y-%m-%d %H:%M} UTC",
            "",
            "On the server, as root, by ctl or by ctl-agent.pyz alone:",
            self.command,
        )
        return "\n".join(lines)

    def document(self) -> object:
        """Give it to programs."""
        return {
            "format_version": "1.0",
            **describe(self.invited.invitation),
            "token": self.invited.token,
            "pin": self.invited.pin,
            "command": self.command,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Guests:
    """Invitations, without their tokens, which nobody knows."""

    invitations: Sequence[Invitation]

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give them to people."""
        heads = ("NAME", "STATE", "EXPIRES", "BY")
        rows = [
            (one.name, state(one), f"{one.expires:%Y-%m-%d %H:%M} UTC", one.by)
            for one in self.invitations
        ]
        return table(heads, rows, style)

    def document(self) -> object:
        """Give them to programs."""
        return [describe(one) for one in self.invitations]


def state(one: Invitation) -> str:
    """Say whether a token can still be used by anybody."""
    return "used" if one.used_by else "open"


def describe(one: Invitation) -> dict[str, object]:
    """Give what may be known of an invitation."""
    return {
        "id": one.id,
        "name": one.name,
        "state": state(one),
        "alternatives": list(one.alternatives),
        "days": one.days,
        "renew": one.renew,
        "expires": one.expires,
        "at": one.at,
        "by": one.by,
    }
