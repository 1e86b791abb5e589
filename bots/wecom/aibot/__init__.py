"""WeCom's AI bot (智能机器人): the staff ask it alone or in groups, and answers stream.

What an answer shows is kept in Redis (`streams`), written by whichever worker answers. Whoever is
asked for it shows it: in callback mode the `callback`, which WeCom calls again and again until the
end; in socket mode the one process that holds the connection (`socket`, `holder`), which looks for
itself. So any process serves any answer, and one that dies is followed by another.
"""
