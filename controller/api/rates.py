"""How often somebody may ask: token buckets by token and by address, and how many streams each has open.

Called by the gate. What is remembered is bounded: of the longest unseen nothing is known any more, which gives them a full bucket.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.api.settings import Rate

KNOWN: Final = 10_000
"""Callers that are told apart; the longest unseen is forgotten."""


def crowd_of(place: str) -> str:
    """Say who counts as one of those at an address: of IPv6 a whole /64, which is what anybody gets who asks for an address."""
    try:
        address = ipaddress.ip_address(place.partition("%")[0])
    except ValueError:
        return place
    if isinstance(address, ipaddress.IPv4Address):
        return place
    mapped = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 64), strict=False) if mapped is None else mapped)


@dataclass(slots=True)
class Bucket:
    """What is left for one caller, and when that was reckoned."""

    left: float
    at: datetime


class Rates:
    """Buckets of one kind of caller."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, caller: str, now: datetime) -> float:
        """Take one request; give the seconds to wait when there is none left, else 0."""
        bucket = self._now(caller, now)
        if bucket.left >= 1:
            bucket.left -= 1
            return 0.0
        return max(1.0, (1 - bucket.left) / self._rate.second)

    def wait(self, caller: str, now: datetime) -> float:
        """Say how long to wait, without taking anything."""
        bucket = self._now(caller, now)
        return 0.0 if bucket.left >= 1 else max(1.0, (1 - bucket.left) / self._rate.second)

    def _now(self, caller: str, now: datetime) -> Bucket:
        bucket = self._buckets.pop(caller, None) or Bucket(float(self._rate.burst), now)
        # A clock that was set back gives nothing, and takes nothing either.
        passed = max(0.0, (now - bucket.at).total_seconds())
        bucket.left = min(float(self._rate.burst), bucket.left + passed * self._rate.second)
        bucket.at = now
        self._buckets[caller] = bucket
        if len(self._buckets) > KNOWN:
            self._buckets.popitem(last=False)
        return bucket


class Streams:
    """Streams that are open, by caller and together."""

    def __init__(self, each: int, together: int) -> None:
        self._each = each
        self._together = together
        self._open: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many are open."""
        return sum(self._open.values())

    def enter(self, caller: str, *, strange: bool = False) -> bool:
        """Count one more; false when there may be none. Strangers leave half of all to those who are known."""
        most = self._together // 2 if strange else self._together
        if self._open.get(caller, 0) >= self._each or self.count >= most:
            return False
        self._open[caller] = self._open.get(caller, 0) + 1
        return True

    def leave(self, caller: str) -> None:
        """Count one less."""
        left = self._open.get(caller, 0) - 1
        if left > 0:
            self._open[caller] = left
        else:
            self._open.pop(caller, None)
