"""Who may ask the page's server, and from where."""

import aiohttp
import pytest
from company import visiting
from pydantic import SecretStr

from bots.web.visitors import Visitors

SHOP = "https://shop.example"
ALIEN = "https://evil.example"
DOORS = [
    ("POST", "messages"),
    ("POST", "stop"),
    ("POST", "votes"),
    ("POST", "files"),
    ("POST", "conversations"),
    ("DELETE", "conversations/home"),
    ("GET", "conversations"),
    ("GET", "events"),
    ("GET", "export"),
]
MESSAGE = {"id": "00000000-0000-4000-8000-000000000000", "text": "怎么退货"}


@pytest.fixture
def company(company):
    persona = company / "personas" / "shop.yaml"
    page = 'page: {theme: {accent: "#112233"}, origins: ["https://shop.example"]}\n'
    persona.write_text(persona.read_text() + page)
    return company


async def ask(visitor, method, path, headers=None, **more):
    """Ask without a cookie jar's help; returns the response, read."""
    async with aiohttp.ClientSession() as bare:
        url = f"{visitor.base}{path}"
        async with bare.request(method, url, headers=headers or {}, **more) as response:
            await response.read()
            return response


async def token_for(visitor, origin=SHOP, **headers):
    response = await ask(visitor, "GET", "/web/main/hello?token=1", {"Origin": origin} | headers)
    assert response.status == 200
    return (await response.json())["token"], response


def bearing(token, origin=SHOP):
    return {"Origin": origin, "Authorization": f"Bearer {token}"}


async def test_a_page_of_an_allowed_site_talks_with_its_token_alone(shop):
    async with shop() as house, visiting(house) as visitor:
        token, response = await token_for(visitor)
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Set-Cookie" not in response.headers
        assert "Access-Control-Allow-Credentials" not in response.headers
        posted = await ask(visitor, "POST", "/web/main/messages", bearing(token), json=MESSAGE)
        assert posted.status == 202
        same, _ = await token_for(visitor, Authorization=f"Bearer {token}")
        assert same == token
        url = f"{visitor.base}/web/main/events"
        async with visitor.session.get(url, headers=bearing(token)) as stream:
            assert stream.headers["Access-Control-Allow-Origin"] == SHOP
            first = [await stream.content.readline() for _ in range(4)]
    assert b"question" in first[3]


async def test_a_cookie_counts_for_nothing_on_another_site(shop):
    async with shop() as house, visiting(house) as visitor:
        status, _ = await visitor.call("POST", "messages", MESSAGE, headers={"Origin": SHOP})
        assert status == 401
        status, _ = await visitor.call("GET", "conversations", headers={"Origin": SHOP})
        assert status == 401


@pytest.mark.parametrize("origin", [ALIEN, "null", "https://shop.example.evil.example", ""])
async def test_a_page_of_any_other_site_gets_nothing(shop, origin):
    async with shop() as house, visiting(house) as visitor:
        for method, path in DOORS:
            status, _ = await visitor.call(method, path, MESSAGE, headers={"Origin": origin})
            assert status == 403, (method, path)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_what_a_form_can_send_is_refused(shop, content_type):
    async with shop() as house, visiting(house) as visitor:
        for path in ("messages", "stop", "votes", "files", "conversations"):
            headers = {"Content-Type": content_type}
            status, _ = await visitor.call("POST", path, data=b"{}", headers=headers)
            assert status == 400, path


async def test_browsers_are_told_what_an_allowed_site_may_send(shop):
    async with shop() as house, visiting(house) as visitor:
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
        allowed = await ask(visitor, "OPTIONS", "/web/main/messages", asked)
        refused = await ask(visitor, "OPTIONS", "/web/main/messages", asked | {"Origin": ALIEN})
    assert allowed.status == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert refused.status == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_an_error_can_be_read_by_an_allowed_site(shop):
    async with shop() as house, visiting(house) as visitor:
        refused = await ask(visitor, "GET", "/web/main/events", {"Origin": SHOP})
    assert refused.status == 401
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP
    assert refused.headers["Vary"] == "Origin"


async def test_a_visitor_whose_signature_is_missing_or_wrong_is_a_stranger(shop):
    async with shop() as house, visiting(house) as visitor:
        token, _ = await token_for(visitor)
        name, _, signature = token.partition(".")
        for forged in (name, f"{name}.", f"{name}.{'0' * 64}", f"x{name}.{signature}", f".{token}"):
            for headers in ({"Cookie": f"xiaoq_visitor={forged}"}, bearing(forged)):
                for path in ("events", "conversations", "export"):
                    refused = await ask(visitor, "GET", f"/web/main/{path}", headers)
                    assert refused.status == 401
        good = await ask(visitor, "GET", "/web/main/conversations", bearing(token))
        assert good.status == 200


async def test_a_cookie_never_becomes_a_token(shop):
    async with shop() as house, visiting(house) as visitor:
        (cookie,) = (each.value for each in visitor.session.cookie_jar)
        _, body = await visitor.call("GET", "hello", params={"token": "1"})
        assert body["token"] != cookie


async def test_only_allowed_sites_may_frame_the_page(shop, company):
    async with shop() as house, visiting(house) as visitor:
        page = await ask(visitor, "GET", "/")
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'self' https://shop.example" in policy
        assert "unsafe" not in policy
        assert (await visitor.hello())["theme"] == {"accent": "#112233", "accent_dark": None}
    persona = company / "personas" / "shop.yaml"
    persona.write_text(persona.read_text().partition("page:")[0])
    async with shop() as house, visiting(house) as visitor:
        page = await ask(visitor, "GET", "/")
        assert page.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'")


def test_a_token_that_is_no_text_is_a_strangers():
    visitors = Visitors(SecretStr("a-secret-of-the-tests"), is_secure=False)
    assert visitors.verify(visitors.token("ann")) == "ann"
    assert visitors.verify("\udcff.\udcff") is None
