"""Many answers on one engine: what a job is, who may come in, and the engine's thread."""
