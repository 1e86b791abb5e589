"""What an exception out of torch or a library on top of it means for the engine."""

import torch

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
