"""The model client: one prompt in, one streamed answer out, from whichever endpoint can give it."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import structlog

from config.settings import EndpointSettings, InferenceSettings
from inference.client.backoff import Clock
from inference.client.chat import Chunk, Finish, Prompt
from inference.client.connections import Connections, open_connections
from inference.client.counting import TokenCounter
from inference.client.dispatch import Dispatcher
from inference.client.endpoint import AttemptError, Endpoint, EndpointState, Place
from inference.client.errors import BrokenAnswerError, InferenceError, ModelTimeoutError
from inference.client.exchange import Answer, open_answer

log = structlog.get_logger()


class ModelClient:
    """Any number of model servers as one; `open_client` makes it."""

    def __init__(self, settings: InferenceSettings, connections: Connections, clock: Clock) -> None:
        self._settings = settings
        self._connections = connections
        self._endpoints = tuple(Endpoint(each, clock) for each in settings.endpoints)
        self._dispatcher = Dispatcher(self._endpoints)
        self._counter = TokenCounter(connections, self._endpoints, clock)

    @property
    def configured(self) -> bool:
        """True if an endpoint is set."""
        return bool(self._endpoints)

    @property
    def available(self) -> bool:
        """True if an endpoint is set and not all are in back-off."""
        return any(endpoint.admits for endpoint in self._endpoints)

    @property
    def places(self) -> int:
        """How many requests all endpoints together take at a time."""
        return sum(endpoint.settings.concurrency for endpoint in self._endpoints)

    @property
    def endpoints(self) -> tuple[EndpointState, ...]:
        """What is known of each endpoint."""
        return tuple(endpoint.state for endpoint in self._endpoints)

    def tell(self, settings: EndpointSettings, is_open: bool) -> None:
        """Take note of whether an endpoint takes requests, by the word of its supervisor."""
        for endpoint in self._endpoints:
            if endpoint.settings == settings:
                endpoint.open(is_open)
                self._dispatcher.serve(endpoint)

    async def count_tokens(self, text: str) -> int:
        """Count a text's tokens: by an endpoint's tokenizer if one is offered, else by estimate."""
        return await self._counter.count(text)

    def tokens_at_hand(self, text: str) -> int | None:
        """The same where no endpoint has to be asked; None where one does."""
        return self._counter.at_hand(text)

    async def complete(self, prompt: Prompt) -> str:
        """Return a whole answer; raises what `stream` raises."""
        async with aclosing(self.stream(prompt)) as events:
            return "".join([event.text async for event in events if isinstance(event, Chunk)])

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk | Finish, None]:
        """Yield an answer as it is written, `Finish` last; closing the generator ends the request.

        Endpoints that fail before the first text are passed over. Raises ModelUnavailableError or
        ModelBusyError if none takes the prompt, ModelTimeoutError if a deadline passes, and
        BrokenAnswerError if the answer breaks after its first text.
        """
        deadline = asyncio.get_running_loop().time() + self._settings.total_seconds
        tried: frozenset[Endpoint] = frozenset()
        failure: AttemptError | None = None
        while True:
            place = await self._take(prompt, tried, failure, deadline)
            answer: Answer | None = None
            try:
                answer = await self._open(place, prompt, deadline)
                while text := await answer.read():
                    yield Chunk(text)
                finish = answer.finish()
                break
            except AttemptError as error:
                place.failed(error)
                failure = error
                tried |= {place.endpoint}
            except (BrokenAnswerError, ModelTimeoutError) as error:
                reason = type(error.__cause__).__name__
                log.warning("answer broke off", endpoint=place.endpoint.name, reason=reason)
                raise
            finally:
                if answer is not None:
                    answer.close()
                self._dispatcher.give_back(place)
        yield finish

    async def _take(
        self,
        prompt: Prompt,
        tried: frozenset[Endpoint],
        failure: AttemptError | None,
        deadline: float,
    ) -> Place:
        """Take a place; if none is left after an endpoint was too slow, that is what went wrong."""
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise ModelTimeoutError("no answer in time")
        seconds = min(self._settings.queue_seconds, left)
        try:
            return await self._dispatcher.take(prompt.session, tried, seconds)
        except InferenceError:
            if failure is not None and failure.kind == "timeout":
                raise ModelTimeoutError("no first token in time") from failure
            raise

    async def _open(self, place: Place, prompt: Prompt, deadline: float) -> Answer:
        answer = await open_answer(
            self._connections.to(place.endpoint.settings),
            place.endpoint,
            prompt,
            first_token_seconds=self._settings.first_token_seconds,
            total_seconds=deadline - asyncio.get_running_loop().time(),
        )
        place.answering()
        self._dispatcher.serve(place.endpoint)
        return answer


@asynccontextmanager
async def open_client(
    settings: InferenceSettings, *, clock: Clock = time.monotonic
) -> AsyncIterator[ModelClient]:
    """Open a client; end every stream before leaving the context. `clock` times the back-off."""
    async with open_connections(settings.endpoints) as connections:
        yield ModelClient(settings, connections, clock)
