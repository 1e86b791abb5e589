"""Settings, persona files, word lists and sample knowledge; imports nothing of ours."""
