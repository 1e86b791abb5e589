"""A model client for tests: its settings from peers, its clock in the test's hand."""

from contextlib import AbstractAsyncContextManager

from peers.model import ModelPeer

from config.settings import EndpointSettings, InferenceSettings
from inference.client.chat import ChatTurn, Prompt
from inference.client.endpoint import Endpoint
from inference.client.model_client import ModelClient, open_client

QUESTION = "在吗"
PROMPT = Prompt((ChatTurn("system", "你是小Q"), ChatTurn("user", QUESTION)), "a session")


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def connect(
    *peers: ModelPeer | str,
    clock: Clock | None = None,
    endpoint: dict[str, object] | None = None,
    **settings: float,
) -> AbstractAsyncContextManager[ModelClient]:
    """Open a client for peers or URLs; `endpoint` holds the settings of each of them."""
    urls = [peer if isinstance(peer, str) else peer.url for peer in peers]
    endpoints = [{"url": url, "model": "qwen", **(endpoint or {})} for url in urls]
    values = InferenceSettings.model_validate({"endpoints": endpoints, **settings})
    return open_client(values, clock=clock or Clock())


def prompt_for(first: ModelPeer, second: ModelPeer) -> Prompt:
    """Make a prompt whose session prefers the first of two peers."""
    one, two = (
        Endpoint(EndpointSettings.model_validate({"url": peer.url, "model": "qwen"}), Clock())
        for peer in (first, second)
    )
    session = next(s for s in map(str, range(1000)) if one.weight(s) > two.weight(s))
    return Prompt(PROMPT.turns, session)
