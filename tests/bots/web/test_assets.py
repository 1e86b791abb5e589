"""The page's files over HTTP."""

import gzip

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bots.web.assets import Assets


@pytest.fixture
async def client(tmp_path):
    (tmp_path / "page" / "vendor").mkdir(parents=True)
    (tmp_path / "page" / "vendor" / "a.mjs").write_text("export const a = '小';\n" * 50)
    (tmp_path / "page" / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    app = web.Application()
    app.add_routes(Assets(tmp_path / "page").routes())
    async with TestClient(TestServer(app), auto_decompress=False) as opened:
        yield opened


async def test_a_file_is_sent_packed_to_who_can_unpack_it(client):
    packed = await client.get("/static/vendor/a.mjs", headers={"Accept-Encoding": "gzip, br"})
    plain = await client.get("/static/vendor/a.mjs", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await packed.read()) == await plain.read()
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers


async def test_a_file_that_a_browser_has_is_not_sent_again(client):
    first = await client.get("/static/icon.svg")
    assert first.headers["Content-Type"].startswith("image/svg+xml")
    same = {"If-None-Match": first.headers["ETag"]}
    again = await client.get("/static/icon.svg", headers=same)
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["Cache-Control"] == "no-cache"


async def test_a_browser_keeps_a_version_and_asks_again_for_what_another_gateway_named(
    client, tmp_path
):
    version = Assets(tmp_path / "page").version
    kept = await client.get(f"/static/{version}/vendor/a.mjs")
    assert "immutable" in kept.headers["Cache-Control"]
    other = await client.get(f"/static/{'0' * 16}/vendor/a.mjs")
    assert other.headers["Cache-Control"] == "no-cache"
    assert await other.read() == await kept.read()


def test_any_change_is_another_version(tmp_path):
    (tmp_path / "a.js").write_text("1")
    versions = {Assets(tmp_path).version}
    (tmp_path / "a.js").write_text("2")
    versions.add(Assets(tmp_path).version)
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    versions.add(Assets(tmp_path).version)
    assert len(versions) == 3


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/secret.txt",
        "vendor/%2e%2e/%2e%2e/secret.txt",
        "vendor",
        "none.js",
        "a%00.js",
        "/etc/passwd",
        "x" * 5000,
    ],
)
async def test_nothing_else_is_sent(client, path):
    assert (await client.get(f"/static/{path}")).status == 404
