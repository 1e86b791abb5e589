"""Engines: what turns tokens into tokens. Each third-party library is imported in one file here."""
