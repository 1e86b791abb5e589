"""Files come down and go up."""

import pytest

from bots.wecom.errors import RefusedError
from bots.wecom.media import download, upload


async def test_a_file_goes_up_with_its_chinese_name_and_comes_down(api, corp):
    media_id = await upload(api, "file", "退货说明.txt", "七天内".encode())
    assert corp.media[media_id].filename == "退货说明.txt"
    file = await download(api, media_id, 1000)
    assert (file.name, file.content) == ("退货说明.txt", "七天内".encode())


async def test_a_revoked_token_has_the_whole_file_sent_again(api, wecom, corp):
    await api.token()
    wecom.tokens.revoke()
    media_id = await upload(api, "image", "a.png", b"\x89PNG" * 100)
    assert corp.media[media_id].data == b"\x89PNG" * 100


async def test_a_revoked_token_has_the_file_fetched_again(api, wecom, corp):
    media_id = corp.keep("file", "a.txt", b"content")
    await api.token()
    wecom.tokens.revoke()
    assert (await download(api, media_id, 1000)).content == b"content"


async def test_a_file_that_is_gone_is_refused_and_not_taken_for_a_file(api):
    with pytest.raises(RefusedError) as caught:
        await download(api, "gone", 1000)
    assert caught.value.code == 40007


async def test_a_file_that_is_too_large_is_not_fetched(api, corp):
    media_id = corp.keep("file", "a.txt", b"x" * 5000)
    assert await download(api, media_id, 1000) is None


@pytest.mark.parametrize(("kind", "size"), [("file", 5), ("voice", (2 << 20) + 1)])
async def test_a_size_that_wecom_would_refuse_is_not_sent(api, wecom, kind, size):
    with pytest.raises(RefusedError):
        await upload(api, kind, "a", b"x" * size)
    assert not wecom.called("media/upload")
