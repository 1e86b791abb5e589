"""What can go wrong in the core.

CoreError
    StoreUnavailableError    Redis cannot be reached: answer 503, keep the message where it is
    LeaseLostError           another worker has the conversation now: stop, touch nothing
    UndeliverableError       the platform will never take this reply: finish the turn
        HeldError            a person answers there: finish the turn in silence
    PlatformAwayError        the platform takes nothing now: the turn waits, and loses no attempt
    StoppedError             the customer wants no more of the answer: end it with what was shown
"""

import traceback


class CoreError(Exception):
    """Base of the core's errors."""


class StoreUnavailableError(CoreError):
    """Redis cannot be reached; nothing was accepted, the platform has to send it again."""


class LeaseLostError(CoreError):
    """This worker was relieved of the conversation; stop and leave it alone."""


class UndeliverableError(CoreError):
    """The platform will never take this reply; finish the turn without repeating it."""


class HeldError(UndeliverableError):
    """A person answers this customer; finish the turn in silence."""


class PlatformAwayError(CoreError):
    """The platform takes nothing now; try the same reply again later, without counting this."""


class StoppedError(CoreError):
    """The customer stopped the answer; it ends with what was shown of it."""

    def __init__(self, shown: str) -> None:
        super().__init__("stopped by the customer")
        self.shown = shown


def trace(error: BaseException) -> str:
    """Where an error came from, without its message, which may quote a customer."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = (f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} at {' > '.join(places)}"
