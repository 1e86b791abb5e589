"""Chooses the endpoint for a request; requests wait in order while all places are taken."""

import asyncio
from itertools import count

from inference.client.endpoint import Endpoint, Place, Waiter
from inference.client.errors import ModelBusyError, ModelUnavailableError


class Dispatcher:
    """Gives out the places of the endpoints.

    A session keeps to the endpoint that rendezvous hashing gives it, where its prefix is cached; it
    goes to its next choice when the first is down, or full while the next has a place. When all are
    full a request waits in the queue of its first choice, first come first served. A place that
    becomes free goes to the endpoint's own queue, else to whoever waited longest elsewhere: none
    stands idle while somebody waits.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._endpoints = endpoints
        self._tickets = count()

    async def take(self, session: str, tried: frozenset[Endpoint], seconds: float) -> Place:
        """Take a place at an endpoint not tried yet; the caller gives it back.

        Raises ModelBusyError if every queue is full, if the wait took all `seconds`, or if those
        that are left asked for a pause; ModelUnavailableError if none is left.
        """
        order = self._order(session, tried)
        if place := self._free_place(order):
            return place
        try:
            async with asyncio.timeout(seconds):
                return await self._wait(session, tried, order)
        except TimeoutError:
            raise ModelBusyError("no place became free in time") from None

    def give_back(self, place: Place) -> None:
        """Give a place back, and hand it to whoever is next."""
        place.endpoint.vacate(place)
        self.serve(place.endpoint)

    def serve(self, endpoint: Endpoint) -> None:
        """Give an endpoint's free places to those who wait; if it is down, send them elsewhere."""
        if not endpoint.admits:
            while waiter := _head(endpoint):
                endpoint.waiters.popleft()
                waiter.place.set_result(None)
        while endpoint.has_room and (waiter := self._next_waiter(endpoint)):
            waiter.place.set_result(endpoint.occupy())

    async def _wait(self, session: str, tried: frozenset[Endpoint], order: list[Endpoint]) -> Place:
        while True:
            place = await self._queue(order, tried)
            if place is not None:
                return place
            order = self._order(session, tried)
            if place := self._free_place(order):
                return place

    async def _queue(self, order: list[Endpoint], tried: frozenset[Endpoint]) -> Place | None:
        """Wait in the first queue that has room; None means that its endpoint went down."""
        home = next((e for e in order if len(e.waiters) < e.settings.queue), None)
        if home is None:
            raise ModelBusyError("every queue is full")
        future: asyncio.Future[Place | None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(future, tried, next(self._tickets))
        home.waiters.append(waiter)
        try:
            return await future
        except asyncio.CancelledError:
            if waiter in home.waiters:
                home.waiters.remove(waiter)
            elif not future.cancelled() and (place := future.result()):
                self.give_back(place)
            raise

    def _order(self, session: str, tried: frozenset[Endpoint]) -> list[Endpoint]:
        """List the endpoints that may be asked, the session's favourite first."""
        order = [e for e in self._endpoints if e not in tried and e.admits]
        if not order:
            if any(endpoint.paused for endpoint in self._endpoints):
                raise ModelBusyError("the endpoints asked for a pause")
            raise ModelUnavailableError("no endpoint is left to ask")
        if len(order) > 1:
            order.sort(key=lambda endpoint: endpoint.weight(session), reverse=True)
        return order

    @staticmethod
    def _free_place(order: list[Endpoint]) -> Place | None:
        return next((e.occupy() for e in order if e.has_room), None)

    def _next_waiter(self, endpoint: Endpoint) -> Waiter | None:
        home = endpoint if _head(endpoint) else self._oldest_queue_for(endpoint)
        return home.waiters.popleft() if home else None

    def _oldest_queue_for(self, endpoint: Endpoint) -> Endpoint | None:
        """Find the queue whose head waited longest and may be served by this endpoint."""
        heads = [(head.ticket, e) for e in self._endpoints if (head := _head(e))]
        fitting = [pair for pair in heads if endpoint not in pair[1].waiters[0].tried]
        return min(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _head(endpoint: Endpoint) -> Waiter | None:
    """Return the first waiter that still waits."""
    waiters = endpoint.waiters
    while waiters and waiters[0].place.done():
        waiters.popleft()
    return waiters[0] if waiters else None
