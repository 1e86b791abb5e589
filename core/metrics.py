"""The numbers of one process, in Prometheus' form. Labels are few and bounded; nothing of a
customer.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from inference.units.numbers import Relay

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counters and histograms, each process its own registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.accepted = Counter(
            "xiaoq_accepted",
            "Messages offered, by what became of them",
            ["channel", "receipt"],
            registry=registry,
        )
        self.answered = Counter(
            "xiaoq_answered",
            "Turns ended, by outcome and origin",
            ["channel", "outcome", "origin"],
            registry=registry,
        )
        self.feedback = Counter(
            "xiaoq_feedback", "Thumbs under answers", ["channel", "vote"], registry=registry
        )
        self.undelivered = Counter(
            "xiaoq_undelivered",
            "Messages that a platform took and could not bring",
            ["channel", "reason"],
            registry=registry,
        )
        self.channel_failures = Counter(
            "xiaoq_channel_failures",
            "Times a channel fell",
            ["channel", "account"],
            registry=registry,
        )
        self.first_text = Histogram(
            "xiaoq_first_text_seconds",
            "Accept to first text",
            ["channel"],
            buckets=SECONDS,
            registry=registry,
        )
        self.total = Histogram(
            "xiaoq_total_seconds",
            "Accept to the end of the answer",
            ["channel"],
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter("xiaoq_tokens", "Tokens of models", ["kind"], registry=registry)
        self.model_errors = Counter(
            "xiaoq_model_errors", "Answers a model did not give", ["error"], registry=registry
        )
        self.moderation = Counter(
            "xiaoq_moderation_hits",
            "Hits of word lists",
            ["direction", "category", "action"],
            registry=registry,
        )
        self.failures = Counter(
            "xiaoq_attempt_failures", "Attempts that broke", ["error"], registry=registry
        )
        self.parts = Gauge(
            "xiaoq_part_state",
            "1 for the state in which a part is, as /ready tells it",
            ["part", "state"],
            registry=registry,
        )
        self.units = Gauge(
            "xiaoq_model_units", "Units of the model run here", ["state"], registry=registry
        )
        self.unit_restarts = Gauge(
            "xiaoq_model_unit_restarts",
            "Times a unit was started again",
            ["unit"],
            registry=registry,
        )
        self.unit_progress = Gauge(
            "xiaoq_model_unit_progress", "Share of the model loaded", ["unit"], registry=registry
        )
        self.of_units = Relay()
        """What the units count themselves; brought up to date at a scrape."""
        registry.register(self.of_units)
        self.working = Gauge(
            "xiaoq_turns_in_work", "Turns in work in this process", registry=registry
        )
        self.depth = Gauge(
            "xiaoq_queue_depth", "Messages waiting or in work, everywhere", registry=registry
        )
        self.age = Gauge(
            "xiaoq_queue_age_seconds", "Age of the oldest waiting conversation", registry=registry
        )
        self.dead = Gauge(
            "xiaoq_dead_letters", "Messages on the dead-letter lists", registry=registry
        )

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
