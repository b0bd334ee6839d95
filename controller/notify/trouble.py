"""What went wrong on the way to a receiver, in words that hold nothing of the address.

Raised by every sender; the outbox decides by it whether and when to try again.
"""

from controller.errors import ControllerError, Disposition


class NotifyError(ControllerError):
    """A message was not delivered.

    Args:
        message: what went wrong; never an address, a key, or what the receiver said.
        permanent: it is no use to try again.
        retry_after: seconds that the receiver asks us to wait; None: it did not say.
        hint: what to do about it.
    """

    reference = "notify-failed"
    disposition = Disposition.RETRY

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.retry_after = retry_after
