"""What is wrong with a job, or with the engine when torch raises something."""

import torch

from inference.jobs.engine import EngineFacts
from inference.jobs.job import Job

_NO_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
_STICKY = ("CUDA error", "CUBLAS_STATUS", "device-side assert", "uncorrectable ECC")


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory, of a card or of the machine, did not suffice; the engine can go on."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        mark in str(error) for mark in _NO_MEMORY
    )


def is_broken_card(error: Exception) -> bool:
    """Whether no call to the card can succeed any more in this process."""
    return isinstance(error, torch.AcceleratorError) or any(mark in str(error) for mark in _STICKY)


def job_fault(job: Job, facts: EngineFacts) -> str:
    """Say why an engine can never run a job; empty if it can."""
    length = len(job.prompt) + job.max_tokens
    if not job.prompt or job.max_tokens < 1:
        return "an empty prompt or answer cannot be worked on"
    if length > facts.context_tokens:
        return f"prompt and answer have {length} tokens, at most {facts.context_tokens} fit"
    if not all(0 <= token < facts.vocabulary for token in (*job.prompt, *job.sampling.logit_bias)):
        return f"there are no tokens beyond {facts.vocabulary - 1}"
    if job.adapter and job.adapter not in facts.adapters:
        return f'there is no adapter "{job.adapter}"'
    return ""
