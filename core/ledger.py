"""The end of a turn: what goes to memory, audit and metrics once the reply has left."""

import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from core.audit import Audit
from core.compose import compose_summary
from core.memory import Exchange, History, Memory
from core.messages import Address
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Effect
from core.replies import Origin, Reply
from core.scene import Request, remembered_question
from inference.client.errors import InferenceError
from inference.client.model_client import ModelClient

log = structlog.get_logger()


async def _nothing() -> None:
    pass


class Ledger:
    """Closes turns."""

    def __init__(
        self, personas: Personas, memory: Memory, audit: Audit, model: ModelClient, metrics: Metrics
    ) -> None:
        self._personas = personas
        self._memory = memory
        self._audit = audit
        self._model = model
        self._metrics = metrics

    async def close(
        self,
        request: Request,
        reply: Reply,
        before_asking: Callable[[], Awaitable[None]] = _nothing,
    ) -> list[Effect]:
        """The effects that end a turn, for its last step; never fails for want of a model.

        `before_asking` is waited for before a model is asked for a count or a summary.
        """
        record = self._audit.record(request.turn, reply)
        if reply.fresh:
            return [record, *self._memory.forget(request.turn.address)]
        if not request.remembers or reply.origin is Origin.FIXED:
            return [record]
        return [record, *await self._remember(request, reply, before_asking)]

    def measure(self, request: Request, reply: Reply) -> None:
        """Count a turn that has ended."""
        channel = request.turn.address.channel
        self._metrics.answered.labels(channel, reply.outcome.value, reply.origin.value).inc()
        self._metrics.total.labels(channel).observe(
            max(0.0, time.time() - request.turn.messages[0].received_at)
        )
        self._metrics.tokens.labels("prompt").inc(reply.usage.prompt_tokens)
        self._metrics.tokens.labels("completion").inc(reply.usage.completion_tokens)
        log.info(
            "turn ended",
            message=request.turn.messages[0].digest,
            conversation=request.turn.address.key,
            channel=channel,
            messages=len(request.turn.messages),
            persona=reply.persona,
            persona_version=reply.persona_version,
            outcome=reply.outcome.value,
            origin=reply.origin.value,
        )

    async def _remember(
        self, request: Request, reply: Reply, before_asking: Callable[[], Awaitable[None]]
    ) -> list[Effect]:
        """Append the exchange, or fold the history that it makes too long."""
        voice = request.voice or self._personas.route(request.turn.address)
        question = remembered_question(request.turn, voice)
        said = f"{question}\n{reply.text}"
        tokens = self._model.tokens_at_hand(said)
        if tokens is None:
            await before_asking()
            tokens = await self._model.count_tokens(said)
        exchange = Exchange(
            question=question,
            answer=reply.text,
            at=time.time(),
            language=reply.language,
            persona_version=reply.persona_version,
            tokens=tokens,
        )
        address, known = request.turn.address, request.background.history
        idle_hours = voice.persona.card.memory.idle_hours
        is_replaced = request.turn.is_again and known.before(question) is not known
        documents = (*request.enclosures.documents, *known.documents)
        kept = self._memory.keep(address, documents, idle_hours)
        if not self._memory.over_budget(reply.remembered_tokens + tokens):
            replaced = self._memory.take_back(address) if is_replaced else []
            return [*replaced, *self._memory.remember(address, exchange, idle_hours), *kept]

        await before_asking()
        history = await self._memory.load(address.key)
        history = (history.before(question) if is_replaced else history).plus(exchange)
        return [*await self._fold(address, history, idle_hours), *kept]

    async def _fold(self, address: Address, history: History, idle_hours: float) -> list[Effect]:
        """Fold a history with the model's help."""

        async def summarise(summary: str, exchanges: Sequence[Exchange]) -> str:
            if not self._model.available:
                return ""
            try:
                return await self._model.complete(compose_summary(summary, exchanges, address.key))
            except InferenceError as error:
                log.warning("history cut for want of a summary", error=type(error).__name__)
                return ""

        return await self._memory.fold(address, history, summarise, idle_hours)
