"""Moderation: word lists, the normaliser that sees through disguises, and the stream filter."""
