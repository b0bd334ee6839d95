"""Numbers for Prometheus: what this process counts of its requests and of its loop, and how the fleet stands.

Called by the gate, which counts, and by the route `/metrics`. Names of targets and servers are labels, and bounded in number; runs,
jobs and callers never are. The registry is our own, so that nothing of any library is told.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from controller.api.port import Serving
from controller.model.condition import Health, Sync
from controller.model.serving import Contact
from controller.reconcile.exchange.status import StatusReport
from controller.reconcile.loop.counts import BOUNDS

MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"
LABELLED: Final = 1000
"""Targets and servers that are told one by one; of more than that only the sums are."""
_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Meter:
    """Counts of this process."""

    def __init__(self, serving: Serving) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "ctl_http_requests",
            "Requests that were answered, by route and class of status.",
            ("route", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ctl_http_request_duration_seconds",
            "Time from the headers of a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._streams = Gauge("ctl_http_streams", "Streams that are open.", registry=self.registry)
        self.registry.register(_Process(serving))

    @property
    def streams(self) -> float:
        """How many streams are open."""
        return next(iter(self._streams.collect())).samples[0].value

    @streams.setter
    def streams(self, number: float) -> None:
        self._streams.set(number)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(route, f"{status // 100}xx").inc()
        self._seconds.labels(route).observe(max(0.0, seconds))


class _Process(Collector):
    """What is read at the moment of asking."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        serving = self._serving
        build = GaugeMetricFamily("ctl_build_info", "The program; always 1.", labels=("version",))
        build.add_metric((serving.version,), 1)
        yield build
        yield _gauge(
            "ctl_start_time_seconds", "Since when it serves.", serving.started_at.timestamp()
        )
        generation = serving.generation
        yield _gauge(
            "ctl_generation_in_force",
            "Whether declarations are in force.",
            float(generation is not None),
        )
        yield _gauge(
            "ctl_declarations_invalid",
            "Whether the newest declarations are refused.",
            float(serving.invalid is not None),
        )
        yield _gauge("ctl_loop_lag_seconds", "How late the loop last woke up.", serving.counts.lag)
        yield _gauge("ctl_keys_busy", "Keys that are being reconciled.", serving.counts.busy)
        yield self._reconciled()
        fired = CounterMetricFamily(
            "ctl_jobs_recorded", "Jobs that the loop recorded, by cause.", labels=("cause",)
        )
        for cause, number in serving.counts.fired.items():
            fired.add_metric((cause,), number)
        yield fired

    def _reconciled(self) -> Metric:
        family = HistogramMetricFamily(
            "ctl_reconcile_duration_seconds",
            "Time to reconcile a key, by kind and outcome.",
            labels=("kind", "outcome"),
        )
        for (kind, outcome), histogram in self._serving.counts.reconciled.items():
            below, buckets = 0, []
            for bound, number in zip((*map(str, BOUNDS), "+Inf"), histogram.classes, strict=True):
                below += number
                buckets.append((bound, float(below)))
            family.add_metric((kind, outcome), buckets, histogram.total)
        return family


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


def render(meter: Meter, status: StatusReport, contacts: Mapping[str, Contact]) -> bytes:
    """Write all numbers as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Fleet(status, contacts))
    return generate_latest(meter.registry) + generate_latest(registry)


class _Fleet(Collector):
    """How the fleet stands."""

    def __init__(self, status: StatusReport, contacts: Mapping[str, Contact]) -> None:
        self._status = status
        self._contacts = contacts

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        yield self._words("ctl_target_sync", "Targets by how wanted and applied compare.", "sync")
        yield self._words("ctl_target_health", "Targets by how they fare.", "health")
        yield self._targets()
        yield _gauge("ctl_jobs_running", "Jobs that have not ended.", len(self._status.running))
        yield _gauge("ctl_problems", "What a person should look at.", len(self._status.problems))
        down = GaugeMetricFamily(
            "ctl_server_down", "Whether a server is unreachable.", labels=("server",)
        )
        for name in sorted(self._contacts)[:LABELLED]:
            down.add_metric((name,), float(self._contacts[name].down))
        yield down
        yield _gauge(
            "ctl_servers_down",
            "Servers that are unreachable.",
            sum(one.down for one in self._contacts.values()),
        )

    def _words(self, name: str, help_: str, word: str) -> Metric:
        family = GaugeMetricFamily(name, help_, labels=(word,))
        found = [getattr(one, word) for one in self._status.targets]
        for each in Sync if word == "sync" else Health:
            family.add_metric((each.value,), found.count(each))
        return family

    def _targets(self) -> Metric:
        family = GaugeMetricFamily(
            "ctl_target_servers_in_sync",
            "Servers of a target on which what is wanted is applied.",
            labels=("target",),
        )
        for one in self._status.targets[:LABELLED]:
            family.add_metric((one.target,), one.in_sync)
        return family
