"""One message, ready to be sent by any sender.

Made by `messages`; read by the senders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one receiver is told.

    `id` stays the same over all tries, so that a receiver can tell that it has it already. `at` is the moment of this try.
    `title` is one line; `text` are lines for people; `document` says the same for machines.
    """

    id: str
    at: datetime
    title: str
    text: str
    document: Mapping[str, object]
