"""By which carrier a server is reached; called by `servers`.

A server says at most one of the keys; what it says replaces a carrier of its groups, which replaces one of the settings.
"""

from collections.abc import Mapping
from typing import Final

from controller.declaration.block import Block, merged
from controller.declaration.wishes import Wishes
from controller.model.inventory import Agent, Carrier

CARRIERS: Final = (Carrier.SSH, Carrier.AGENT, Carrier.PULL, Carrier.LOCAL)
"""Each is a key of a server, too."""


def laid_over(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay one mapping over another as `merged` does, but a carrier replaces every other one below it."""
    if not any(key in over for key in CARRIERS):
        return merged(base, over)
    kept = {key: value for key, value in base.items() if key in over or key not in CARRIERS}
    return merged(kept, over)


def carrier_of(wishes: Wishes, name: str, data: Mapping[str, object], block: Block) -> Carrier:
    """Say how a server is reached; two ways at once are an error at the second."""
    found = [carrier for carrier in CARRIERS if carrier in data]
    if len(found) > 1:
        written = [key for key in block.own if key in found]
        names = " and ".join(found)
        wishes.findings.error(
            "two-carriers",
            f"cannot reach {name} by {names} at once",
            block.where(written[1]) if len(written) > 1 else block.place,
            f"keep one of {', '.join(CARRIERS)}",
        )
    return found[0] if found else Carrier.SSH


def agent_of(data: object) -> Agent:
    """Say where an agent listens."""
    port = data.get("port") if isinstance(data, Mapping) else None
    return Agent(port=int(port)) if isinstance(port, int | float) else Agent()
