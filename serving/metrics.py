"""What Prometheus is told; values of all workers are added up where they are asked for."""

import os
from collections import deque
from functools import cache
from time import perf_counter
from typing import Any

from serving import traces
from serving.messages import Served

KIND = "text/plain; version=0.0.4; charset=utf-8"
_LATELY: deque[bool] = deque(maxlen=1000)
QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@cache
def _meters() -> dict[str, Any]:
    from prometheus_client import Counter, Gauge, Histogram  # late: BentoML first says where the workers' values are

    return {
        "requests": Histogram("zhijian_request_seconds", "time to answer", ["path", "status"], buckets=QUICK),
        "stages": Histogram("zhijian_stage_seconds", "time that a stage of an answer took", ["stage"], buckets=QUICK),
        "answers": Counter("zhijian_answers", "recommendations by what they come from; cold users get dialogue or popularity", ["source"]),
        "cold": Gauge(
            "zhijian_cold_share",
            "the share of the last 1,000 recommendations that went to somebody of whom nothing is known",
            multiprocess_mode="livemostrecent",
        ),
        "arms": Counter("zhijian_arms", "recommendations by the user's arm", ["arm"]),
        "explored": Counter("zhijian_explored", "lists in which a new item took a slot"),
        "together": Histogram("zhijian_together", "recommendations computed at once", buckets=(1, 2, 4, 8, 16, 32)),
        "fallbacks": Counter("zhijian_fallbacks", "answers given without something that they should have had", ["without"]),
        "events": Counter("zhijian_events", "events kept for good, repeated ones among them", ["event"]),
        "swaps": Counter("zhijian_swaps", "bundles taken or refused", ["outcome"]),
        "refused": Counter("zhijian_refused", "requests that the guard refused", ["status"]),
        "since": Gauge("zhijian_bundle_since_seconds", "when the bundle in force became champion", multiprocess_mode="livemostrecent"),
        "age": Gauge("zhijian_bundle_age_seconds", "how long the bundle has been champion", multiprocess_mode="livemax"),
        "in_flight": Gauge("zhijian_in_flight", "requests being answered", multiprocess_mode="livesum"),
    }


def page() -> bytes:
    """Give the values of all workers, as Prometheus reads them."""
    import prometheus_client
    from prometheus_client import multiprocess

    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return prometheus_client.generate_latest()
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return prometheus_client.generate_latest(registry)


def leave() -> None:
    """Take back what holds only while this worker lives."""
    from prometheus_client import multiprocess

    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(os.getpid())


def answered(path: str, status: int, seconds: float) -> None:
    """Count an answer; `path` must be one of few."""
    _meters()["requests"].labels(path, str(status)).observe(seconds)
    if status in (401, 403, 408, 413, 415, 429, 503):
        _meters()["refused"].labels(str(status)).inc()


def recommended(source: str) -> None:
    """Count a recommendation by its source, and say how many were cold lately."""
    _meters()["answers"].labels(source).inc()
    _LATELY.append(source != "hybrid")
    _meters()["cold"].set(sum(_LATELY) / len(_LATELY))


def dealt(arm: str, *, explored: bool) -> None:
    """Count a recommendation by its arm, and whether a new item was put there."""
    _meters()["arms"].labels(arm).inc()
    if explored:
        _meters()["explored"].inc()


def gathered(count: int) -> None:
    """Say how many recommendations were computed at once."""
    _meters()["together"].observe(count)


def fell_back(without: str) -> None:
    """Count an answer that had to do without something."""
    _meters()["fallbacks"].labels(without).inc()


def told(event: str) -> None:
    """Count an event that is kept."""
    _meters()["events"].labels(event).inc()


def swapped(about: Served, outcome: str) -> None:
    """Count a bundle that was taken or refused, and say which one is in force."""
    _meters()["swaps"].labels(outcome).inc()
    serving(about)


def serving(about: Served) -> None:
    """Say which bundle is in force."""
    _meters()["since"].set(about.since.timestamp())


def aged(seconds: float) -> None:
    """Say how old the bundle in force is."""
    _meters()["age"].set(seconds)


def in_flight(count: int) -> None:
    """Say how many requests are being answered."""
    _meters()["in_flight"].set(count)


class stage:  # noqa: N801 - it is used as a function, and as one would cost three times as much
    """Measure a stage of an answer."""

    def __init__(self, name: str) -> None:
        self._name, self._span = name, traces.span(name)

    def __enter__(self) -> None:
        self._span.__enter__()
        self._start = perf_counter()

    def __exit__(self, *failed: Any) -> None:
        _meters()["stages"].labels(self._name).observe(perf_counter() - self._start)
        self._span.__exit__(*failed)
