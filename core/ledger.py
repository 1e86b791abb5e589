"""The end of a turn: what goes to memory, audit and metrics once the reply has left."""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from core.audit import Audit
from core.compose import compose_summary
from core.memory import Exchange, Memory
from core.metrics import Metrics
from core.personas import Personas
from core.redis import Effect
from core.replies import Origin, Reply
from core.scene import Request, remembered_question
from core.voice import Voice
from inference.client.errors import InferenceError
from inference.client.model_client import ModelClient

log = structlog.get_logger()


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

    def close_now(self, request: Request, reply: Reply) -> list[Effect] | None:
        """The effects that end a turn; None if a model has to be asked first: `close_asking`."""
        record = self._audit.record(request.turn, reply)
        if reply.fresh:
            return [record, *self._memory.forget(request.turn.address)]
        if not request.remembers or reply.origin is Origin.FIXED:
            return [record]
        exchange = self._exchange(request, reply)
        tokens = self._model.tokens_at_hand(exchange.text)
        if tokens is None or self._memory.over_budget(reply.remembered_tokens + tokens):
            return None
        return [record, *self._append(request, replace(exchange, tokens=tokens))]

    async def close(self, request: Request, reply: Reply) -> list[Effect]:
        """The effects that end a turn, whoever has to be asked."""
        effects = self.close_now(request, reply)
        return await self.close_asking(request, reply) if effects is None else effects

    async def close_asking(self, request: Request, reply: Reply) -> list[Effect]:
        """The effects that end a turn which is remembered; never fails for want of a model."""
        record = self._audit.record(request.turn, reply)
        exchange = self._exchange(request, reply)
        tokens = await self._model.count_tokens(exchange.text)
        exchange = replace(exchange, tokens=tokens)
        if self._memory.over_budget(reply.remembered_tokens + tokens):
            return [record, *await self._fold(request, exchange)]
        return [record, *self._append(request, exchange)]

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

    def _exchange(self, request: Request, reply: Reply) -> Exchange:
        """What is remembered of a turn; its tokens are still to be counted."""
        return Exchange(
            question=remembered_question(request.turn, self._voice(request)),
            answer=reply.text,
            at=time.time(),
            language=reply.language,
            persona_version=reply.persona_version,
            tokens=0,
        )

    def _append(self, request: Request, exchange: Exchange) -> list[Effect]:
        """Append the exchange."""
        address = request.turn.address
        replaced = self._memory.take_back(address) if _is_replaced(request, exchange) else []
        idle_hours = self._idle_hours(request)
        return [
            *replaced,
            *self._memory.remember(address, exchange, idle_hours),
            *self._keep_documents(request),
        ]

    async def _fold(self, request: Request, exchange: Exchange) -> list[Effect]:
        """Fold the history that the exchange makes too long."""
        address = request.turn.address

        async def summarise(summary: str, exchanges: Sequence[Exchange]) -> str:
            if not self._model.available:
                return ""
            try:
                return await self._model.complete(compose_summary(summary, exchanges, address.key))
            except InferenceError as error:
                log.warning("history cut for want of a summary", error=type(error).__name__)
                return ""

        history = await self._memory.load(address.key)
        if _is_replaced(request, exchange):
            history = history.before(exchange.question)
        folded = await self._memory.fold(
            address, history.plus(exchange), summarise, self._idle_hours(request)
        )
        return [*folded, *self._keep_documents(request)]

    def _keep_documents(self, request: Request) -> list[Effect]:
        known = request.background.history.documents
        documents = (*request.enclosures.documents, *known)
        return self._memory.keep(request.turn.address, documents, self._idle_hours(request))

    def _idle_hours(self, request: Request) -> float:
        return self._voice(request).persona.card.memory.idle_hours

    def _voice(self, request: Request) -> Voice:
        return request.voice or self._personas.route(request.turn.address)


def _is_replaced(request: Request, exchange: Exchange) -> bool:
    """Whether the exchange takes the place of the last one."""
    known = request.background.history
    return request.turn.is_again and known.before(exchange.question) is not known
