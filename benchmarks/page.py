"""What the page weighs, how soon it shows, how it scrolls, and how many are served at once.

python -m benchmarks.page size                what a browser loads, packed
python -m benchmarks.page show [--turns 1000] first paint, greeting, scrolling a long chat
python -m benchmarks.page open [--pages 500] [--places 512]
                                              pages open at once, each streaming an answer
"""

import argparse
import asyncio
import gzip
import re
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.rig import ROOT, Customer, Product, browser_session, percentile, stub_model

PAGE = ROOT / "bots/web/page"
IMPORT = re.compile(r'"(?:\./)?([\w./-]+\.m?js)"')
LINK = re.compile(r'(?:href|src)="{{static}}/([^"]+)"')
TOKENS, PAUSE_MS = 100, 50
PAINT = """() => new Promise((resolve) => {
  const told = (list) => resolve(list.getEntriesByName("first-paint")[0].startTime);
  new PerformanceObserver(told).observe({ type: "paint", buffered: true });
})"""
GREETED = """() => new Promise((resolve) => {
  const look = () => document.querySelector("#log .answer .bubble")?.textContent
    ? requestAnimationFrame(() => resolve(performance.now()))
    : requestAnimationFrame(look);
  look();
})"""
SCROLL = """async () => {
  const scroller = document.querySelector("#scroller");
  const frames = [];
  const seen = new Set();
  let last = await new Promise(requestAnimationFrame);
  while (document.querySelector("#log > .answer[hidden]") || scroller.scrollTop > 0) {
    scroller.scrollTop -= 200;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
    for (const message of document.querySelectorAll(".message")) seen.add(message);
  }
  return { frames, messages: seen.size };
}"""
SHOWN = (
    ("first paint, page", "/", PAINT),
    ("greeting shown", "/", GREETED),
    ("first paint, floor: its icon alone", "/static/icon.svg", PAINT),
)


def size(_: argparse.Namespace) -> None:
    """Weigh what a browser loads for the page, and for the widget."""
    wanted = ["index.html", *LINK.findall((PAGE / "index.html").read_text("utf-8"))]
    for name in wanted:
        if name.endswith(".js"):
            folder = (PAGE / name).parent
            found = [folder / path for path in IMPORT.findall((PAGE / name).read_text("utf-8"))]
            wanted += [str(path.resolve().relative_to(PAGE)) for path in found]
    names = sorted(set(wanted))
    packed = {name: len(gzip.compress((PAGE / name).read_bytes())) for name in names}
    vendored = sum(weight for name, weight in packed.items() if name.startswith("vendor/"))
    print(f"page: {len(packed)} files, {sum(packed.values()) / 1000:.1f} kB packed", end=", ")
    print(f"{vendored / 1000:.1f} kB of them from others")
    print(f"widget: {len(gzip.compress((PAGE / 'widget.js').read_bytes())) / 1000:.1f} kB packed")


async def show(options: argparse.Namespace) -> None:
    """Measure the page in Chromium, empty and with a long conversation."""
    async with _product() as (product, session), _browser() as browser:
        customer = Customer(session, product.base)
        await customer.arrive()
        for name, path, script in SHOWN:
            found = [await _when(browser, product.base + path, script) for _ in range(10)]
            print(f"{name}: median {statistics.median(found):.0f} ms, worst {max(found):.0f} ms")
        await _talk(customer, options.turns)
        await _scroll(browser, product.base, customer.cookie)


async def _when(browser, address: str, script: str) -> float:  # noqa: ANN001
    """Milliseconds of the page's clock at what a script waits for, in a new browser profile."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(address, wait_until="commit")
    found = await page.evaluate(script)
    await context.close()
    return float(found)


async def _scroll(browser, base: str, cookie: str) -> None:  # noqa: ANN001
    context = await browser.new_context()
    await context.add_cookies([{"name": "xiaoq_visitor", "value": cookie, "url": base}])
    page = await context.new_page()
    began = time.perf_counter()
    await page.goto(base)
    await page.locator(".answer[data-state=done]").last.wait_for()
    print(f"opened at its end in {(time.perf_counter() - began) * 1000:.0f} ms")
    found = await page.evaluate(SCROLL)
    frames = found["frames"]
    print(
        f"scrolled up through {found['messages']} messages in {len(frames)} frames: "
        f"p50 {percentile(frames, 0.5):.1f} ms, p99 {percentile(frames, 0.99):.1f} ms, "
        f"longest {max(frames):.1f} ms"
    )


async def _talk(customer: Customer, turns: int) -> None:
    for number in range(turns):
        await customer.send(f"第 {number} 个问题：怎么退货？")
        if number % 10 == 9:
            await _heard(customer, number + 1)


async def _heard(customer: Customer, answers: int) -> None:
    count = 0
    async with aclosing(customer.events()) as events:
        async for _, event in events:
            count += event["type"] == "question"
            if count >= answers and event["type"] == "done":
                return


async def open_many(options: argparse.Namespace) -> None:
    """Stream an answer to each of many pages at once."""
    async with _product(TOKENS, PAUSE_MS, options.places) as (product, session):
        idle = product.memory_mb()[0]
        customers = [Customer(session, product.base) for _ in range(options.pages)]
        await asyncio.gather(*(customer.arrive() for customer in customers))
        before = product.cpu_seconds()[0]
        busy = asyncio.gather(*(_stream(customer) for customer in customers))
        await asyncio.sleep(4)
        memory = product.memory_mb()[0]
        rows = await busy
        cpu = product.cpu_seconds()[0] - before
    firsts, gaps, wholes = (list(column) for column in zip(*rows, strict=True))
    print(f"{options.pages} pages, a model with {options.places} places that says {TOKENS} tokens")
    print("in 5 s; seconds:")
    _tell("first text", firsts)
    _tell("of it, the wait for a place that the model makes unavoidable", _waits(options))
    _tell("longest gap", gaps)
    _tell("whole answer", wholes)
    tokens = options.pages * TOKENS
    print(f"CPU of the process: {cpu:.1f} s, {cpu / tokens * 1e6:.0f} µs for a token on a page")
    print(f"memory of the process: {idle:.0f} MB idle, {memory:.0f} MB while all stream")


def _waits(options: argparse.Namespace) -> list[float]:
    """What each page waits for the answers before it where nothing but the model takes time."""
    answer = TOKENS * PAUSE_MS / 1000
    return [page // options.places * answer for page in range(options.pages)]


def _tell(name: str, values: list[float]) -> None:
    middle, most, worst = (percentile(values, share) for share in (0.5, 0.99, 1))
    print(f"  {name}: p50 {middle:.2f}, p99 {most:.2f}, worst {worst:.2f}")


async def _stream(customer: Customer) -> tuple[float, float, float]:
    """Seconds to the first text, of the longest gap after it, and to the whole answer."""
    began = time.perf_counter()
    times: list[float] = []
    async with aclosing(customer.events()) as events:
        sending = asyncio.ensure_future(customer.send("讲一个很长的故事"))
        async for _, event in events:
            if event["type"] in ("delta", "done"):
                times.append(time.perf_counter() - began)
            if event["type"] == "done":
                break
        await sending
    gaps = [later - sooner for sooner, later in pairwise(times)]
    return times[0], max(gaps, default=0.0), times[-1]


@asynccontextmanager
async def _product(tokens: int = 40, delay_ms: int = 0, places: int = 256) -> AsyncGenerator:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            stub_model(tokens=tokens, delay_ms=delay_ms) as model,
            browser_session() as session,
        ):
            product = Product(Path(folder) / "var", model, places=places)
            await product.start()
            try:
                yield product, session
            finally:
                product.stop()


def _browser():  # noqa: ANN202
    from peers.browser import open_browser  # noqa: PLC0415 - only one mode needs a browser

    return open_browser()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["size", "show", "open"])
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--places", type=int, default=512, help="answers the model gives at once")
    options = parser.parse_args()
    print(describe())
    if options.mode == "size":
        size(options)
    else:
        asyncio.run(show(options) if options.mode == "show" else open_many(options))


if __name__ == "__main__":
    main()
