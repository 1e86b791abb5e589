from pydantic_core import to_json

from bots.wecom.aibot.book import Book, Owed
from core.messages import Address


async def test_entries_of_another_version_keep_no_answer_from_being_sent(store):
    book = Book(store, "bot")
    owed = Owed("s1", Address("wecom-aibot", "main", "bot", "lihua"), "lihua", "q1")
    await book.enter(owed)
    newer = to_json(Owed("s2", owed.address, "group"))[:-1] + b', "mood": "later"}'
    await store.hset("xq:wecom-aibot:bot:owed", mapping={"s2": newer, "s3": b'{"stream": 3}'})
    found = await book.all()
    assert sorted(each.stream for each in found) == ["s1", "s2"]
    assert owed in found
