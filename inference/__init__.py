"""The model behind one wire: the OpenAI chat-completions protocol, streamed."""
