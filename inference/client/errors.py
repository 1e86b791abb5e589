"""What can go wrong between the core and a model.

InferenceError
    ModelUnavailableError      no endpoint set, or all are down or answered with an error
    ModelBusyError             every endpoint's queue is full, or the queue deadline passed
    ModelTimeoutError          no first token, or no end, within its deadline
    BrokenAnswerError          the stream broke after its first token
"""


class InferenceError(Exception):
    """Answer without the model."""


class ModelUnavailableError(InferenceError):
    """No endpoint could be reached; answer without the model."""


class ModelBusyError(InferenceError):
    """Every endpoint has as much as it can do; answer without the model."""


class ModelTimeoutError(InferenceError):
    """The model was too slow; answer without it."""


class BrokenAnswerError(InferenceError):
    """The answer broke in the middle: take back what was shown, answer without the model."""
