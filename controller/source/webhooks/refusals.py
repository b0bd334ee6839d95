"""Why a webhook was not taken: one sentence for the log, and nothing for the sender.

Raised by the other files of `webhooks`; caught by the face that took the request.
"""

from controller.errors import RefusedError


class HookRefusedError(RefusedError):
    """A request that is not taken.

    Its message is always the same, so that a stranger cannot learn which part of a forgery was wrong.

    Args:
        reason: what was wrong, for the log alone; it never holds anything of the request.
        proven: the sender knew the secret, so that they may be told that the body is at fault.
    """

    reference = "hook-refused"

    def __init__(self, reason: str, *, proven: bool = False) -> None:
        super().__init__("cannot take this request")
        self.reason = reason
        self.proven = proven
