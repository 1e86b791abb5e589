"""Answers in Markdown: one parse, and one small renderer for each platform that shows them."""
