"""What customer and servicer said while a person had the customer.

Kept aside, and put into the conversation's memory as one exchange when XiaoQ answers again.
"""

import time
from collections.abc import Sequence

from pydantic_core import from_json, to_json

from bots.wecom.kf.events import Customer
from core.errors import StoreUnavailableError
from core.inbox import Inbox
from core.memory import Exchange, Memory
from core.personas import Personas
from core.redis import UNAVAILABLE, Effect, Store
from inference.client.tokens import estimate_tokens

KEPT_SECONDS = 3 * 86_400
MOST_LINES = 200
CUSTOMER, SERVICER = "customer", "servicer"


class Transcript:
    """What people said to each other; methods raise StoreUnavailableError."""

    def __init__(self, store: Store, inbox: Inbox, memory: Memory, personas: Personas) -> None:
        self._store = store
        self._inbox = inbox
        self._memory = memory
        self._personas = personas

    def add(self, customer: Customer, speaker: str, words: str) -> list[Effect]:
        """The effects that write down what was said."""
        key = self._key(customer)
        return [
            ("RPUSH", key, to_json([speaker, words]).decode()),
            ("LTRIM", key, str(-MOST_LINES), "-1"),
            ("EXPIRE", key, str(KEPT_SECONDS)),
        ]

    async def close(self, customer: Customer) -> list[Effect]:
        """The effects that remember it as one exchange and begin anew; none if nothing was said."""
        key = self._key(customer)
        try:
            raw = await self._store.lrange(key, 0, -1)
        except UNAVAILABLE as error:
            raise StoreUnavailableError from error
        if not raw:
            return []
        lines = [from_json(line) for line in raw]
        exchange = self._exchange(customer, lines)
        persona = self._personas.route(customer.address).persona
        hours = persona.card.memory.idle_hours
        return [*self._memory.remember(customer.address, exchange, hours), ("DEL", key)]

    def _exchange(self, customer: Customer, lines: Sequence[tuple[str, str]]) -> Exchange:
        voice = self._personas.route(customer.address)
        said = {
            speaker: voice.matcher.filter("\n".join(w for who, w in lines if who == speaker)).text
            for speaker in (CUSTOMER, SERVICER)
        }
        question, answer = said[CUSTOMER] or "……", f"[人工客服] {said[SERVICER] or '……'}"
        return Exchange(
            question=question,
            answer=answer,
            at=time.time(),
            language=voice.persona.card.language.fallback,
            persona_version=voice.persona.version,
            tokens=estimate_tokens(f"{question}\n{answer}"),
        )

    def _key(self, customer: Customer) -> str:
        conversation = customer.address.key
        return self._inbox.partition(conversation).key("transcript", conversation)
