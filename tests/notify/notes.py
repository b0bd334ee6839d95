"""Messages and notices to send."""

from datetime import UTC, datetime

from controller.model.notice import Notice, Occasion
from controller.notify.message import Message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MESSAGE = Message(
    id="letter-1",
    at=NOW,
    title="shop: run r1 failed",
    text="web-01: exit 1\nweb-02: \u00fc",
    document={"id": "letter-1", "title": "shop: run r1 failed", "odd": "\u00fc\u202e"},
)


def a_notice(number: int = 1, **changes: object) -> Notice:
    values: dict[str, object] = {
        "id": f"n{number}",
        "at": NOW,
        "occasion": Occasion.UNREACHABLE,
        "subject": f"server/web-{number:02d}",
        "title": f"web-{number:02d} is unreachable",
        "lines": ("dns: no such host",),
        "problem": "unreachable",
    }
    return Notice(**(values | changes))  # type: ignore[arg-type]
