"""What a model server counts, for Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from inference.jobs.job import Ended, Event, Piece

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """The counters of one process; tokens are counted as they come, all else once a job."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = self._counter(
            "requests", "Requests answered, by route and status", "route", "status"
        )
        self.jobs = self._counter("jobs", "Jobs that left the engine, by reason", "reason")
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts of finished jobs")
        self.cached_tokens = self._counter("cached_tokens", "Of these, those found in the cache")
        self.completion_tokens = self._counter("completion_tokens", "Tokens written")
        self.queued = self._histogram(
            "queue_seconds", "Wait until the engine takes a job", _SECONDS
        )
        self.first_token = self._histogram(
            "first_token_seconds", "Wait for the first token", _SECONDS
        )
        self.token = self._histogram(
            "token_seconds", "Time for a token after the first, mean of an answer", _TOKEN_SECONDS
        )
        self.waiting = self._gauge("jobs_waiting", "Jobs in the queue")
        self.running = self._gauge("jobs_running", "Jobs in the engine")
        self.free_tokens = self._gauge("pool_free_tokens", "Room of the engine that no job has")
        self.silent = self._gauge("heartbeat_age_seconds", "Since the engine's thread showed life")
        self.loaded = self._gauge("loaded_ratio", "Share of the model that is loaded")

    def count(self, events: Iterable[Event]) -> None:
        """Count the events of a step."""
        tokens = 0
        for event in events:
            if isinstance(event, Piece):
                tokens += event.tokens
            elif isinstance(event, Ended):
                self.jobs.labels(event.reason).inc()
                self.prompt_tokens.inc(event.prompt_tokens)
                self.cached_tokens.inc(event.cached_tokens)
        if tokens:
            self.completion_tokens.inc(tokens)

    def render(self) -> bytes:
        """All of them as text."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"xiaoq_model_{name}", what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"xiaoq_model_{name}", what, registry=self._registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"xiaoq_model_{name}", what, buckets=buckets, registry=self._registry)
