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
    app.router.add_get("/static/{path:.+}", Assets(tmp_path / "page").serve)
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


async def test_a_file_is_sent_once_and_again_when_it_changes(client, tmp_path):
    first = await client.get("/static/icon.svg")
    same = {"If-None-Match": first.headers["ETag"]}
    again = await client.get("/static/icon.svg", headers=same)
    assert (again.status, await again.read()) == (304, b"")
    (tmp_path / "page" / "icon.svg").write_text("<svg><g/></svg>")
    changed = await client.get("/static/icon.svg", headers=same)
    assert changed.status == 200
    assert changed.headers["Content-Type"].startswith("image/svg+xml")


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
