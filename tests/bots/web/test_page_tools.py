"""What customers do with answers and conversations: stop, again, thumbs, files, past, settings."""

import json
import re
from typing import Any

import pytest
from peers.page_server import PageServer, Refusal
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Event = dict[str, Any]
QUESTION: Event = {"type": "question", "id": "q1", "text": "怎么退货？", "at": 1732300000.1}
START: Event = {"type": "start", "reply": "q1"}
WORDS: Event = {"type": "delta", "reply": "q1", "at": 0, "text": "七天"}


def done(reply: str = "q1", text: str = "七天内可退。", **changes: Any) -> Event:
    event = {"reply": reply, "text": text, "outcome": "answered", "origin": "model"}
    return {"type": "done", "sources": [], "is_cut": False, **event, **changes}


async def choose(page: Page, name: str, content: bytes = b"x") -> None:
    """Choose a file, as the browser's file dialog gives it."""
    file = {"name": name, "mimeType": "text/plain", "buffer": content}
    await page.locator("#picker").set_input_files([file])


async def test_a_question_waits_in_line_then_is_thought_of_then_answered(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(QUESTION)
    await expect(page.locator("#waiting")).to_have_text("已收到，排队中…")
    await page_server.tell({"type": "thinking", "reply": "q1"})
    await expect(page.locator("#waiting")).to_have_text("正在思考…")
    await page_server.tell(START, WORDS)
    await expect(page.locator("#typing")).to_be_hidden()


async def test_an_answer_is_stopped_by_the_button_that_sends(
    page: Page, page_server: PageServer
) -> None:
    stop = page.get_by_role("button", name="停止回答")
    await expect(stop).to_be_hidden()
    await page_server.tell(QUESTION, START, WORDS)
    await stop.click()
    assert await page_server.told() == ("stop", {"conversation": "home", "reply": "q1"})
    await page.fill("#text", "还有")
    await expect(stop).to_be_hidden()
    await page_server.tell(done(text="七天", outcome="stopped"))
    await page.fill("#text", "")
    await expect(stop).to_be_hidden()
    await expect(page.locator(".answer .meta").last).to_contain_text("已停止")


async def test_an_answer_given_again_takes_the_place_of_the_first(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(QUESTION, done())
    await page.get_by_role("button", name="重新回答").click()
    posted = await page_server.posted()
    assert (posted["text"], posted["retries"]) == ("怎么退货？", "q1")
    await expect(page.locator(".answer[data-state]")).to_have_count(0)
    again = {**QUESTION, "id": posted["id"], "retries": "q1"}
    await page_server.tell(again, done(posted["id"], "八天。"))
    await expect(page.locator(".answer[data-state] .bubble")).to_have_text(["八天。"])
    await page.reload()
    await expect(page.locator(".answer[data-state] .bubble")).to_have_text(["八天。"])
    await expect(page.locator(".question .bubble")).to_have_text(["怎么退货？"])
    await page.get_by_role("button", name="重新回答").click()
    posted = await page_server.posted()
    assert posted["text"] == "怎么退货？"


async def test_files_go_along_when_a_question_is_asked_again_after_a_reload(
    page: Page, page_server: PageServer
) -> None:
    file = {"id": "f" * 16, "name": "政策.txt", "kind": "text", "bytes": 9}
    await page_server.tell({**QUESTION, "text": "", "files": [file]}, done())
    await page.reload()
    await page.get_by_role("button", name="重新回答").click()
    posted = await page_server.posted()
    assert (posted["files"], posted["text"]) == ([file["id"]], "")


async def test_an_answer_stands_again_when_no_other_could_be_given(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(QUESTION, done())
    page_server.post_refusals.append(Refusal(410, "文件已经过期。"))
    await page.get_by_role("button", name="重新回答").click()
    await expect(page.locator(".question").last).to_contain_text("文件已经过期。")
    await expect(page.locator(".answer[data-state] .bubble")).to_have_text(["七天内可退。"])


async def test_a_thumb_is_told_and_stays(page: Page, page_server: PageServer) -> None:
    await page_server.tell(QUESTION, done())
    up = page.get_by_role("button", name="有帮助", exact=True)
    await up.click()
    vote = {"conversation": "home", "reply": "q1", "vote": "up"}
    assert await page_server.told() == ("votes", vote)
    await page_server.tell({"type": "vote", "reply": "q1", "vote": "up"})
    await expect(up).to_have_attribute("aria-pressed", "true")
    await page.reload()
    await expect(up).to_have_attribute("aria-pressed", "true")


async def test_an_answer_is_copied_as_it_was_written(page: Page, page_server: PageServer) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page_server.tell(QUESTION, done(text="**七天**内可退。"))
    await page.get_by_role("button", name="复制").click()
    await expect(page.locator(".copy.done")).to_have_count(1)
    assert await page.evaluate("navigator.clipboard.readText()") == "**七天**内可退。"


@pytest.mark.parametrize(("language", "label"), [("zh", "复制代码"), ("en", "Copy code")])
async def test_a_code_block_is_copied_by_its_own_button_and_by_keyboard(
    page: Page, page_server: PageServer, language: str, label: str
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate(f"localStorage.setItem('xiaoq-language', JSON.stringify('{language}'))")
    await page.reload()
    await page_server.tell(QUESTION, START)
    text = "请运行：\n\n- 先\n  ```sh\n  ls -l\n  ```\n\n```py\nprint(1)\n\nprint(2)\n```"
    await page_server.tell(WORDS | {"text": text}, done(text=text))
    buttons = page.get_by_role("button", name=label)
    await expect(buttons).to_have_count(2)
    await buttons.first.click()
    assert await page.evaluate("navigator.clipboard.readText()") == "ls -l"
    await page.keyboard.press("Tab")
    if await page.evaluate("document.activeElement.nodeName") == "PRE":
        await page.keyboard.press("Tab")
    await expect(buttons.last).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(buttons.last).to_have_class(re.compile("done"))
    assert await page.evaluate("navigator.clipboard.readText()") == "print(1)\n\nprint(2)"


async def test_a_new_conversation_is_another_one(page: Page, page_server: PageServer) -> None:
    button = page.get_by_role("button", name="新对话")
    await expect(button).to_be_disabled()
    await page_server.tell(QUESTION, done())
    await button.click()
    await expect(page.locator(".question")).to_have_count(0)
    await expect(page.locator("#suggestions")).to_be_visible()
    await expect(button).to_be_disabled()
    await page.fill("#text", "在吗")
    await page.keyboard.press("Enter")
    assert (await page_server.posted())["conversation"] == "00000000000000aa"


async def test_past_conversations_are_opened_and_deleted_after_a_second_tap(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(QUESTION, done())
    await page.get_by_role("button", name="历史对话").click()
    entry = page.locator(".entry")
    await expect(entry).to_have_attribute("aria-current", "true")
    await page.get_by_role("button", name="删除 怎么退货？").click()
    assert page_server.listed
    await page.get_by_role("button", name="确认删除？").click()
    await expect(entry).to_have_count(0)
    await expect(page.locator("#no-past")).to_have_text("还没有历史对话。")
    await page.keyboard.press("Escape")
    await expect(page.locator("#past")).to_be_hidden()
    await expect(page.locator(".question")).to_have_count(0)


async def test_a_file_is_read_and_goes_with_the_question(
    page: Page, page_server: PageServer
) -> None:
    await choose(page, "合同.txt", "第一条".encode())
    name = {"conversation": "home", "name": "合同.txt", "bytes": 9}
    assert await page_server.told() == ("files", name)
    await expect(page.locator("#attached .file")).to_have_attribute("data-state", "ready")
    await page.locator("#send").click()
    posted = await page_server.posted()
    assert (posted["text"], posted["files"]) == ("", ["f" * 16])
    await expect(page.locator(".question .file")).to_have_text(["合同.txt"])
    await expect(page.locator("#attached")).to_be_hidden()


async def test_a_file_that_cannot_be_read_says_why_and_is_not_sent(
    page: Page, page_server: PageServer
) -> None:
    page_server.upload_refusals.append(Refusal(415, "图片我现在还看不了。"))
    await choose(page, "a.png")
    await expect(page.locator("#attached small")).to_have_text("图片我现在还看不了。")
    await expect(page.locator("#said")).to_have_text("图片我现在还看不了。")
    await expect(page.locator("#send")).to_be_disabled()
    await page.get_by_role("button", name="删除 a.png").click()
    await expect(page.locator("#attached")).to_be_hidden()
    await choose(page, "b.txt", b"x" * 1_048_577)
    await expect(page.locator("#attached small")).to_contain_text("文件太大了")


async def test_a_changed_setting_goes_with_every_question(
    page: Page, page_server: PageServer
) -> None:
    await page.fill("#text", "一")
    await page.keyboard.press("Enter")
    assert "sampling" not in await page_server.posted()
    await page.get_by_role("button", name="设置").click()
    await page.locator("#wish-temperature").fill("0.2")
    await page.keyboard.press("Escape")
    await page.fill("#text", "二")
    await page.keyboard.press("Enter")
    assert (await page_server.posted())["sampling"] == {"temperature": 0.2}
    await page.get_by_role("button", name="设置").click()
    await page.get_by_role("button", name="恢复默认").click()
    await page.keyboard.press("Escape")
    await page.fill("#text", "三")
    await page.keyboard.press("Enter")
    assert "sampling" not in await page_server.posted()


async def test_a_persona_that_offers_no_choices_and_takes_no_files_shows_none(
    page: Page, page_server: PageServer
) -> None:
    async def without(route: Any) -> None:
        response = await route.fetch()
        body = {**await response.json(), "sampling": None, "files": None}
        await route.fulfill(response=response, body=json.dumps(body))

    await page.route("**/hello", without)
    await page.reload()
    await expect(page.locator("h1")).to_have_text("小Q")
    await expect(page.locator("#attach")).to_be_hidden()
    await page.get_by_role("button", name="设置").click()
    await expect(page.locator("#wishes")).to_be_hidden()


async def test_the_reader_chooses_the_dark_and_the_language(page: Page) -> None:
    await page.get_by_role("button", name="设置").click()
    await page.locator("#look").select_option("dark")
    await expect(page.locator("html")).to_have_css("color-scheme", "dark")
    await page.locator("#language").select_option("en")
    await expect(page.locator("#send")).to_have_attribute("aria-label", "Send")
    await expect(page.locator("html")).to_have_css("color-scheme", "dark")


async def test_a_conversation_is_saved_as_a_file(page: Page, page_server: PageServer) -> None:
    await page.get_by_role("button", name="设置").click()
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Markdown").click()
    download = await saving.value
    assert download.suggested_filename == "conversation.md"
    assert (await download.path()).read_text() == "# 小Q\n"
    wanted = {"conversation": "home", "format": "markdown"}
    assert await page_server.told() == ("export", wanted)
