"""How the customer's page is handled: keys, taps, scrolling, small screens, two languages."""

import pytest
from peers.browser import open_page
from peers.page_server import SUGGESTIONS, PageServer
from playwright.async_api import Browser, Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "很长的回答。" * 400


def done(number: int, text: str) -> dict[str, object]:
    event = {"type": "done", "reply": f"r{number}", "text": text, "sources": []}
    return {**event, "outcome": "answered", "origin": "faq"}


async def press_enter_while_composing(page: Page, **fields: object) -> None:
    """Press the Enter that chooses an input method's candidate, as browsers report it."""
    await page.evaluate(
        """(fields) => document.getElementById("text").dispatchEvent(new KeyboardEvent(
               "keydown", {key: "Enter", bubbles: true, cancelable: true, ...fields}))""",
        fields,
    )


async def distance_from_end(page: Page) -> float:
    distance: float = await page.locator("#scroller").evaluate(
        "(node) => node.scrollHeight - node.scrollTop - node.clientHeight"
    )
    return distance


async def test_enter_sends_only_when_no_input_method_is_composing(
    page: Page, page_server: PageServer
) -> None:
    await page.fill("#text", "nihao")
    await press_enter_while_composing(page, isComposing=True)
    await press_enter_while_composing(page, keyCode=229)
    await expect(page.locator(".question")).to_have_count(0)
    await page.fill("#text", "你好")
    await page.keyboard.press("Enter")
    await expect(page.locator(".question .bubble")).to_have_text(["你好"])
    await expect(page.locator("#text")).to_have_value("")
    await expect(page.locator("#text")).to_be_focused()
    assert (await page_server.posted())["text"] == "你好"


async def test_shift_and_enter_begin_a_new_line(page: Page, page_server: PageServer) -> None:
    await page.fill("#text", "第一行")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("第二行")
    await page.locator("#send").click()
    assert (await page_server.posted())["text"] == "第一行\n第二行"


async def test_an_empty_or_too_long_text_is_not_sent(page: Page, page_server: PageServer) -> None:
    await page.fill("#text", "  \n ")
    await page.keyboard.press("Enter")
    await expect(page.locator("#send")).to_be_disabled()
    await page.fill("#text", "😀" * 3990)
    await expect(page.locator("#counter")).to_have_text("还可输入 10 字")
    await page.fill("#text", "字" * 4001)
    await expect(page.locator("#counter")).to_have_text("超出 1 字")
    await page.keyboard.press("Enter")
    await expect(page.locator(".question")).to_have_count(0)
    await page.fill("#text", "字" * 4000)
    await page.keyboard.press("Enter")
    assert len((await page_server.posted())["text"]) == 4000
    await expect(page.locator("#counter")).to_be_empty()


async def test_a_suggestion_is_asked_with_one_tap(page: Page, page_server: PageServer) -> None:
    chips = page.locator("#suggestions button")
    await expect(chips).to_have_text(SUGGESTIONS["zh"])
    await chips.first.click()
    assert (await page_server.posted())["text"] == SUGGESTIONS["zh"][0]
    await expect(page.locator("#suggestions")).to_be_hidden()


async def test_a_line_stands_where_the_customer_started_anew_and_the_command_does_not(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(
        {"type": "question", "id": "q1", "text": "在吗", "at": 1},
        done(1, "在的。"),
        {"type": "question", "id": "q2", "text": "/new", "at": 2},
        {"type": "fresh", "id": "f1"},
        done(2, "好的。"),
    )
    await expect(page.locator(".divider")).to_have_count(1)
    await expect(page.locator(".question .bubble")).to_have_text(["在吗"])
    await expect(page.locator("#suggestions")).to_be_visible()


async def test_the_page_speaks_english_to_an_english_browser(
    browser: Browser, page_server: PageServer
) -> None:
    async with open_page(browser, locale="en-US") as page:
        await page.goto(page_server.url)
        await expect(page.locator(".answer .bubble")).to_have_text(
            "Hello, I am XiaoQ. Ask me about orders, shipping, returns or invoices."
        )
        await expect(page.get_by_role("button", name="New chat")).to_be_visible()
        await expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
        await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_the_page_follows_the_text_unless_the_reader_scrolled_up(
    page: Page, page_server: PageServer
) -> None:
    await page_server.tell(done(1, LONG))
    await expect(page.locator(".answer")).to_have_count(2)
    assert await distance_from_end(page) < 2
    await page.mouse.move(500, 300)
    await page.mouse.wheel(0, -400)
    await expect(page.locator("#latest")).to_be_visible()
    await page_server.tell(done(2, LONG))
    await expect(page.locator(".answer")).to_have_count(3)
    assert await distance_from_end(page) > 300
    await page.locator("#latest").click()
    await expect(page.locator("#latest")).to_be_hidden()
    assert await distance_from_end(page) < 2


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
async def test_nothing_is_wider_than_a_phone_of_320_pixels(
    browser: Browser, page_server: PageServer, locale: str
) -> None:
    table = (
        "| 商品 | 状态 | 运费 | 时间 | 备注 |\n|:-|:-:|-:|-|-|\n| 甲甲甲 | 乙乙乙 | 丙 | 丁 | 戊 |"
    )
    code = f"```\n{'x' * 200}\n```"
    await page_server.tell(
        {"type": "question", "id": "q1", "text": "长" * 90 + "w" * 120, "at": 1},
        done(1, f"# {'w' * 90}\n\n{table}\n\n{code}\n\nhttps://example.com/{'a' * 120}"),
    )
    async with open_page(browser, locale=locale, width=320, height=560) as page:
        await page.goto(page_server.url)
        await expect(page.locator(".answer")).to_have_count(2)
        too_wide = await page.evaluate(
            """() => [...document.querySelectorAll("body, body *")]
                   .filter((node) => !node.closest("table, pre"))
                   .filter((node) => node.getBoundingClientRect().right > 320.5
                       || (node.id === "scroller" && node.scrollWidth > node.clientWidth))
                   .map((node) => node.outerHTML.slice(0, 80))"""
        )
        assert too_wide == []
        await expect(page.locator("#send")).to_be_in_viewport()
