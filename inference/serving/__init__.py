"""The model as a server: one process per placement unit, OpenAI's protocol before one engine.

`unit` is the process, `door` and `routes` its HTTP; `protocol` and `parts` read what is asked,
`preparing` makes a job of it, `answers` and `chunks` write what is said. Nothing here knows torch.
"""
