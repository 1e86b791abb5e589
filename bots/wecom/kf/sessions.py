"""Whose a customer is: ours, a servicer's, or nobody's; and how that is changed.

While a person has a customer nothing can be sent but what the code of that very move allows once
(developer.work.weixin.qq.com/document/path/94669).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bots.wecom.api import WeComApi
from bots.wecom.errors import AwayError, RefusedError
from bots.wecom.kf.events import Customer
from bots.wecom.kf.records import Record, Records, State

log = structlog.get_logger()

ENDED = 95013
ILLEGAL = 95016
FORBIDDEN = 95018
STATE_CODES = {ENDED, ILLEGAL, FORBIDDEN}
"""What is known of the session is not so any more."""
UNFIT = {95014, 95019}
"""A servicer who is none, or does not receive customers now."""
RECEIVING = 0


@dataclass(frozen=True, slots=True)
class Move:
    """A session that was moved; with the code one text can be sent once."""

    state: State
    code: str = ""
    servicer: str = ""


class Sessions:
    """The sessions of one entry's kf accounts; methods raise ApiError or StoreUnavailableError."""

    def __init__(self, api: WeComApi, records: Records) -> None:
        self._api = api
        self._records = records

    async def state(self, customer: Customer, record: Record | None = None) -> State:
        """Whose the customer is: asked of WeCom, unless it is known lately by the record."""
        if record and record.is_fresh and record.state is not None:
            return record.state
        answer = await self._api.call("kf/service_state/get", _names(customer))
        return await self._note(customer, _state_in(answer))

    async def own(self, customer: Customer, record: Record | None = None) -> State:
        """Make a new session ours; the state it is in then."""
        state = await self.state(customer, record)
        if state is not State.NEW:
            return state
        try:
            return (await self.move(customer, State.ASSISTANT)).state
        except RefusedError as error:
            if error.code not in STATE_CODES:
                raise
        return await self.state(customer)

    async def hand_over(self, customer: Customer) -> Move | None:
        """Give the customer to a servicer who receives now; None, and still ours, if nobody does.

        Where none of them can take the customer although they receive, the pool has the customer.
        """
        receiving = await self._receiving(customer.open_kfid)
        for servicer in receiving:
            try:
                return await self.move(customer, State.SERVICER, servicer)
            except RefusedError as error:
                if error.code not in UNFIT:
                    raise
        return await self.move(customer, State.POOL) if receiving else None

    async def end(self, customer: Customer) -> Move:
        """End the session; the customer's next message begins a new one, which is ours again."""
        return await self.move(customer, State.ENDED)

    async def move(self, customer: Customer, state: State, servicer: str = "") -> Move:
        """Move a session; RefusedError with one of `STATE_CODES` where that is not possible."""
        body: dict[str, Any] = {**_names(customer), "service_state": int(state)}
        if servicer:
            body["servicer_userid"] = servicer
        answer = await self._api.call("kf/service_state/trans", body)
        await self._note(customer, state)
        log.info("kf session moved", conversation=customer.address.key, state=state.name.lower())
        return Move(state, str(answer.get("msg_code") or ""), servicer)

    async def say_on_event(self, code: str, msgid: str, content: Mapping[str, Any]) -> None:
        """Send the one message that a code allows."""
        await self._api.call("kf/send_msg_on_event", {"code": code, "msgid": msgid, **content})

    async def _receiving(self, open_kfid: str) -> list[str]:
        answer = await self._api.call("kf/servicer/list", params={"open_kfid": open_kfid})
        servicers = answer.get("servicer_list") or []
        return [
            str(servicer["userid"])
            for servicer in servicers
            if servicer.get("userid") and servicer.get("status") == RECEIVING
        ]

    async def _note(self, customer: Customer, state: State) -> State:
        await self._records.write(self._records.moved(customer, state))
        return state


def _state_in(answer: Mapping[str, Any]) -> State:
    try:
        return State(int(answer["service_state"]))
    except (LookupError, ValueError, TypeError):
        raise AwayError("kf/service_state/get: makes no sense") from None


def _names(customer: Customer) -> dict[str, str]:
    return {"open_kfid": customer.open_kfid, "external_userid": customer.user}
