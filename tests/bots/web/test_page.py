"""The customer's page in a real browser, against a server that fails on demand."""

import asyncio
from typing import Any

import pytest
from peers.browser import open_page
from peers.page_server import PageServer, Refusal
from playwright.async_api import Browser, Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Event = dict[str, Any]


def question(number: int, text: str = "怎么退货？") -> Event:
    return {"type": "question", "id": f"q{number}", "text": text, "at": 1732300000.1}


def start(number: int) -> Event:
    return {"type": "start", "reply": f"r{number}"}


def delta(number: int, at: int, text: str) -> Event:
    return {"type": "delta", "reply": f"r{number}", "at": at, "text": text}


def done(number: int, text: str, **changes: Any) -> Event:
    event = {"reply": f"r{number}", "text": text, "outcome": "answered", "origin": "faq"}
    return {"type": "done", "sources": [], **event, **changes}


async def ask(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.keyboard.press("Enter")


def answers(page: Page) -> Any:
    """Every answer's bubble but the greeting's."""
    return page.locator(".answer[data-state] .bubble")


async def test_a_streamed_answer_appears_once_with_its_sources(
    page: Page, page_server: PageServer
) -> None:
    await ask(page, "怎么退货？")
    posted = await page_server.posted()
    await expect(page.locator("#typing")).to_be_visible()
    await page_server.tell({**question(1), "id": posted["id"]}, start(1), delta(1, 0, "您好，"))
    await expect(answers(page)).to_have_text(["您好，"])
    await expect(page.locator("#typing")).to_be_hidden()
    await page_server.tell(delta(1, 3, "七天😀"), delta(1, 6, "内可退。"))
    await expect(answers(page)).to_have_text(["您好，七天😀内可退。"])
    source = {"title": "退换货政策", "path": "returns.md"}
    await page_server.tell(done(1, "您好，七天😀内可退。", sources=[source], origin="model"))
    await expect(page.locator(".sources li")).to_have_text(["来源", "退换货政策"])
    await expect(answers(page)).to_have_text(["您好，七天😀内可退。"])
    await expect(page.locator(".question .bubble")).to_have_text(["怎么退货？"])


async def test_a_stream_cut_in_the_middle_of_an_answer_goes_on_where_it_was(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(question(1), start(1), delta(1, 0, "一二"))
    await expect(answers(page)).to_have_text(["一二"])
    await page_server.cut()
    await page_server.tell(delta(1, 2, "三"), delta(1, 3, "四"))
    await expect(answers(page)).to_have_text(["一二三四"])
    assert page_server.resumed_from == [None, "2"]
    await page_server.tell(done(1, "一二三四"))
    await expect(page.locator(".answer[data-state=done] .bubble")).to_have_text(["一二三四"])


async def test_a_stream_refused_at_a_deploy_goes_on_where_it_was_and_doubles_nothing(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(question(1), start(1), delta(1, 0, "一二"))
    await expect(answers(page)).to_have_text(["一二"])
    page_server.stream_refusals += [Refusal(503), Refusal(503)]
    await page_server.cut()
    await expect(page.locator("#banner")).to_have_text("服务暂时不可用，正在自动重试…")
    await page_server.tell(delta(1, 2, "三"))
    await expect(answers(page)).to_have_text(["一二三"])
    await expect(page.locator("#banner")).to_be_hidden()
    await expect(page.locator(".question")).to_have_count(1)
    assert page_server.resumed_from == [None, "2"]


async def test_an_answer_with_a_hole_is_read_again_from_the_start(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(start(1), delta(1, 0, "一二"))
    await expect(answers(page)).to_have_text(["一二"])
    await page_server.tell(delta(1, 9, "迟到"))
    await page_server.tell(delta(1, 2, "三"))
    await expect(answers(page)).to_have_text(["一二三"])
    await page_server.tell(done(1, "一二三四"))
    await expect(answers(page)).to_have_text(["一二三四"])
    assert page_server.resumed_from == [None, None]


async def test_a_retracted_answer_is_gone_and_may_be_written_anew(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(question(1), start(1), delta(1, 0, "不该说的话"))
    await expect(answers(page)).to_have_text(["不该说的话"])
    await page_server.tell({"type": "retract", "reply": "r1"})
    await expect(answers(page)).to_have_count(0)
    await expect(page.locator("#typing")).to_be_visible()
    await page_server.tell(done(1, "抱歉，我无法回答。", outcome="refused", origin="fixed"))
    await expect(answers(page)).to_have_text(["抱歉，我无法回答。"])


async def test_a_reload_shows_the_kept_conversation(page: Page, page_server: PageServer) -> None:
    await page_server.tell(question(1), start(1), delta(1, 0, "可以"), done(1, "可以退。"))
    await page_server.tell(
        {"type": "fresh", "id": "f1"}, question(2, "发票呢？"), {"type": "unheard"}
    )
    await expect(page.locator(".question")).to_have_count(2)
    await page.reload()
    await expect(page.locator(".question .bubble")).to_have_text(["怎么退货？", "发票呢？"])
    await expect(answers(page)).to_have_text(["可以退。"])
    await expect(page.locator(".divider")).to_have_text(["新的对话"])
    await expect(page.locator("#suggestions")).to_be_hidden()


async def test_a_busy_server_gets_the_same_question_again_by_itself(
    page: Page, page_server: PageServer
) -> None:
    page_server.post_refusals += [
        Refusal(503, "服务繁忙，请稍候。"),
        Refusal(429, "", {"Retry-After": "1"}),
    ]
    await ask(page, "在吗？")
    first = await page_server.posted()
    await expect(page.locator(".question .meta")).to_have_text("服务繁忙，请稍候。")
    assert await page_server.posted() == first
    assert await page_server.posted() == first
    await expect(page.locator(".question")).to_have_attribute("data-state", "sent")
    assert len(first["id"]) == 36
    assert first["id"][14] == "4"


async def test_a_question_whose_acknowledgement_was_lost_keeps_its_id(
    page: Page, page_server: PageServer
) -> None:
    lost: list[str] = []

    async def lose_answer(route: Any) -> None:
        lost.append(route.request.post_data_json["id"])
        await route.abort()

    await page.route("**/messages", lose_answer, times=1)
    await ask(page, "在吗？")
    assert (await page_server.posted())["id"] == lost[0]
    await expect(page.locator(".question")).to_have_attribute("data-state", "sent")


async def test_a_failed_question_is_sent_again_on_request_with_its_id(
    page: Page, page_server: PageServer
) -> None:
    page_server.post_refusals += [Refusal(401), Refusal(401)]
    await ask(page, "在吗？")
    ids = {(await page_server.posted())["id"], (await page_server.posted())["id"]}
    assert page_server.hellos == 2
    await page.get_by_role("button", name="重试").click()
    assert {(await page_server.posted())["id"]} == ids
    await expect(page.locator(".question")).to_have_attribute("data-state", "sent")
    await expect(page.locator(".retry")).to_have_count(0)


async def test_a_refused_question_shows_why_and_offers_no_retry(
    page: Page, page_server: PageServer
) -> None:
    page_server.post_refusals.append(Refusal(413, "消息太长。"))
    await ask(page, "长")
    await expect(page.locator(".question .meta")).to_have_text("消息太长。")
    await expect(page.locator(".retry")).to_have_count(0)


async def test_an_unsent_question_outlives_a_reload_with_its_id(
    page: Page, page_server: PageServer
) -> None:
    page_server.post_refusals.append(Refusal(503, headers={"Retry-After": "60"}))
    await ask(page, "还在吗？")
    first = await page_server.posted()
    await page.reload()
    assert await page_server.posted() == first
    await expect(page.locator(".question .bubble")).to_have_text(["还在吗？"])


async def test_a_question_ended_before_the_page_could_hear_it_is_sent(
    browser: Browser, page_server: PageServer
) -> None:
    typed = asyncio.Event()

    async def hold(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    async with open_page(browser) as page:
        await page.route("**/chat.js", hold)
        await page.goto(page_server.url, wait_until="commit")
        await ask(page, "还在吗？")
        typed.set()
        assert (await page_server.posted())["text"] == "还在吗？"
        await expect(page.locator("#text")).to_have_value("")


async def test_a_server_that_is_away_at_first_is_waited_for(
    browser: Browser, page_server: PageServer
) -> None:
    page_server.hello_refusals += [Refusal(503), Refusal(503)]
    async with open_page(browser, locale="en-GB") as page:
        await page.goto(page_server.url)
        await expect(page.get_by_placeholder("Ask a question…")).to_be_visible()
        await ask(page, "hello?")
        await expect(page.locator("#banner")).to_contain_text("unavailable")
        await expect(page.locator("h1")).to_have_text("小Q")
        await expect(page.locator("#banner")).to_be_hidden()
        assert (await page_server.posted())["text"] == "hello?"
