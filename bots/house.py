"""The parts of one process, as the composition root puts them together."""

from dataclasses import dataclass, field
from enum import StrEnum

from bots.adapter import Ears
from bots.web.news import News
from config.settings import Settings
from core.channel import Channels
from core.feedback import Feedback
from core.health import Health
from core.inbox import Inbox
from core.knowledge.store import Knowledge
from core.ledger import Ledger
from core.limits import Limiter
from core.memory import Memory
from core.metrics import Metrics
from core.personas import Personas
from core.pipeline import Pipeline
from core.redis import Store
from inference.client.model_client import ModelClient
from inference.units.supervisor import Supervisor


class Role(StrEnum):
    """What a process does: everything, or one half of it on one of several machines."""

    ALL = "all"
    GATEWAY = "gateway"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class House:
    """The parts of one process."""

    settings: Settings
    role: Role
    store: Store
    model: ModelClient
    inbox: Inbox
    personas: Personas
    knowledge: Knowledge
    limiter: Limiter
    memory: Memory
    pipeline: Pipeline
    ledger: Ledger
    news: News
    metrics: Metrics
    health: Health
    feedback: Feedback
    channels: Channels
    units: Supervisor | None = None
    """Those of the model that this process runs itself."""
    ears: list[Ears] = field(default_factory=list)
    """The accounts that this process listens to."""

    @property
    def works(self) -> bool:
        """Whether this process answers conversations."""
        return self.role is not Role.GATEWAY

    @property
    def listens(self) -> bool:
        """Whether this process takes messages in."""
        return self.role is not Role.WORKER
