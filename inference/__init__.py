"""The model behind one wire: the OpenAI chat-completions protocol, streamed.

`client` asks. `serving` answers, with `jobs` on one of the `engines`, and `text` between words and
tokens. `plan` says what fits which card, `units` keeps the serving processes alive.
"""
