"""The model as a server: one process per placement unit, OpenAI's protocol before one engine.

`job` has the words; `loop` is the thread that owns the engine; `admission` says who is next;
`routes` is the door. Nothing here knows a torch.
"""
