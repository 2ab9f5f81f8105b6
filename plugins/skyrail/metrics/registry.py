"""Every metric that Skyrail emits: name, type, unit, labels, help. Nothing emits a metric that is not here.

Values go out through Airflow's stats (statsd or OpenTelemetry, as `[metrics]` says), with labels as tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric, as dashboards, alerts and the reference page know it."""

    name: str
    kind: Literal["counter", "gauge", "timer"]
    unit: str
    labels: tuple[str, ...]
    help: str


PROCESS_RESTARTS = Metric(
    "skyrail.process.restarts", "counter", "1", ("process",), "Times that `skyrail up` started a dead process again."
)
NOTIFICATIONS = Metric(
    "skyrail.notifications", "counter", "1", ("target", "outcome"), "Messages handed to a target, by outcome."
)
CAPTURE_SECONDS = Metric(
    "skyrail.capture.duration", "timer", "ms", ("dag_id", "task_id"), "Time that recording added to an attempt."
)
FLUSHER_BACKLOG = Metric(
    "skyrail.flusher.backlog", "gauge", "attempts", (), "Attempts with something that the tracking server lacks."
)
FLUSHER_ERRORS = Metric(
    "skyrail.flusher.errors", "counter", "1", ("reason",), "Times that sending to the tracking server failed."
)
ATTEMPTS_RECORDED = Metric(
    "skyrail.attempts.recorded", "counter", "1", ("dag_id", "ended"), "Attempts whose record is complete."
)
PROMOTIONS = Metric("skyrail.models.promotions", "counter", "1", ("model",), "Times that a champion changed.")
VERDICTS = Metric(
    "skyrail.models.verdicts", "counter", "1", ("model", "verdict"), "Comparisons of a candidate, by verdict."
)

METRICS: tuple[Metric, ...] = (
    PROCESS_RESTARTS,
    NOTIFICATIONS,
    CAPTURE_SECONDS,
    FLUSHER_BACKLOG,
    FLUSHER_ERRORS,
    ATTEMPTS_RECORDED,
    PROMOTIONS,
    VERDICTS,
)


def incr(metric: Metric, count: int = 1, **labels: str) -> None:
    """Add to a counter.

    Raises:
        ValueError: the metric is not a counter, or the labels are not the declared ones.
    """
    _check(metric, "counter", labels)
    from airflow.sdk.observability import stats

    stats.incr(metric.name, count, tags=labels)


def gauge(metric: Metric, value: float, **labels: str) -> None:
    """Set a gauge.

    Raises:
        ValueError: the metric is not a gauge, or the labels are not the declared ones.
    """
    _check(metric, "gauge", labels)
    from airflow.sdk.observability import stats

    stats.gauge(metric.name, value, tags=labels)


def timing(metric: Metric, seconds: float, **labels: str) -> None:
    """Record a duration, given in seconds and sent in milliseconds.

    Raises:
        ValueError: the metric is not a timer, or the labels are not the declared ones.
    """
    _check(metric, "timer", labels)
    from airflow.sdk.observability import stats

    stats.timing(metric.name, seconds * 1000, tags=labels)


def _check(metric: Metric, kind: str, labels: dict[str, str]) -> None:
    if metric.kind != kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")
    if set(labels) != set(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
