"""How fast a model can be at best: each token reads all weights and its conversation's cache once.

A quantised cache costs more: ExLlamaV2 0.3.2 writes it out in fp16 for each token, and reads that.

Upstream's own table for a 4090 (Llama-2 7B, batch 1) reaches 70 to 74 % of this.
"""

from inference.plan.placement import Demand, Layout

RTX_4090D_BANDWIDTH = 1008e9
"""Bytes a second of a GeForce RTX 4090D, by its data sheet."""


def tokens_per_second(demand: Demand, bandwidth: float, context: int) -> float:
    """Ceiling for one conversation of so many tokens on one card of so many bytes a second."""
    each = demand.shape.token_bytes(demand.cache)
    if demand.cache != "fp16":
        each += 2 * demand.shape.token_bytes("fp16")
    return bandwidth / (demand.weights.on_card + context * each)


def ceilings(layout: Layout, demand: Demand, bandwidth: float, context: int) -> tuple[float, float]:
    """Ceilings of a placement: one conversation alone, and one on each unit together.

    A split's cards work one after the other, so that it is as fast as one card; with tensor they
    work at a time, and what they exchange is not counted.
    """
    single = tokens_per_second(demand, bandwidth, context)
    if layout.placement == "tensor":
        single *= len(layout.units[0].cards)
    return single, single * len(layout.units)
