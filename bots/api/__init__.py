"""The OpenAI-compatible API: the caller waits, so it is answered in the process that got it."""
