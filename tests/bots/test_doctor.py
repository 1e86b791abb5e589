"""`xiaoq doctor`: every finding, good and bad, and what it says to do."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from command import environment, redis_servers, xiaoq
from company import found_company, free_port, running, settings_for
from peers.model import drop, hang, open_peer, status
from peers.model_folder import SMALL, write_exl2
from peers.slack import slack_peer
from peers.telegram import telegram_peer
from peers.wecom import wecom_peer

from bots.doctor import Mark, examine, judge_clock, judge_disk, judge_redis


@dataclass(frozen=True)
class Report:
    """What stood on the screen, by part."""

    good: bool
    text: str

    def lines(self, part: str) -> list[tuple[str, str, str]]:
        """Mark, finding and advice of each line about a part."""
        rows = self.text.splitlines()
        return [
            (row[0], row[14:], rows[n + 1].strip() if "→" in rows[n + 1] else "")
            for n, row in enumerate(rows)
            if row[2:].startswith(part)
        ]

    def line(self, part: str) -> tuple[str, str, str]:
        """The only line about a part."""
        (line,) = self.lines(part)
        return line


@pytest.fixture
def company(tmp_path):
    return found_company(tmp_path)


@pytest.fixture
def look(company, redis_url, store, monkeypatch, capsys):
    """Examine a company; `http__port="1"` sets XIAOQ_HTTP__PORT, "" leaves it unset."""

    async def look(**settings: str) -> Report:
        settings = {"redis__url": redis_url} | settings
        for name, value in environment(company, **settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(company)
        return Report(await examine(), capsys.readouterr().out)

    return look


def endpoints(*urls: str, **more: str) -> str:
    return json.dumps([{"url": url, "model": "qwen", **more} for url in urls])


async def test_where_all_is_well_there_is_nothing_to_do(look):
    report = await look()
    assert report.good
    parts = ("python", "settings", "redis", "clock", "personas", "knowledge", "port", "disk")
    assert {part: report.line(part)[0] for part in parts} == dict.fromkeys(parts, "✔")
    assert all(report.line(part)[2] == "" for part in parts)
    assert "✘" not in report.text
    assert report.text.splitlines()[-1].endswith("nothing to do. Start: xiaoq run")


async def test_the_command_says_it_alone_without_logs_and_leaves_no_redis_behind(company):
    ended = await xiaoq("doctor", env=environment(company))
    assert (ended.code, ended.err) == (0, "")
    report = Report(True, ended.out)
    assert report.line("redis")[1].startswith("embedded, /")
    assert all(row[:2] in ("✔ ", "○ ", "  ", "", "Wh") for row in ended.out.splitlines())
    assert redis_servers(company) == []


async def test_the_command_ends_with_one_where_something_is_to_be_done(company):
    (company / "knowledge/shop/faq.zh.yaml").write_text("entries: 5")
    ended = await xiaoq("doctor", env=environment(company))
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines()[-1].startswith("1 thing to do, marked ✘")


async def test_without_a_model_it_says_how_to_get_one_and_that_this_is_no_fault(look):
    report = await look()
    assert report.good
    mark, seen, advice = report.line("model")
    assert (mark, seen) == ("○", "none, answers come from knowledge alone")
    assert "XIAOQ_INFERENCE__ENDPOINTS" in advice


async def test_a_model_of_its_own_is_looked_at_without_loading_it(look, company, monkeypatch):
    monkeypatch.setenv("PATH", str(company))  # no nvidia-smi there
    write_exl2(company / "qwen", SMALL)
    report = await look(inference__engine="exllamav2", inference__model_dir=str(company / "qwen"))
    lines = report.lines("model")
    assert any(seen.endswith("bits a weight") and mark == "✔" for mark, seen, _ in lines)
    assert lines[-1][0] == "✘"
    assert "needs an NVIDIA card" in lines[-1][1]
    assert report.line("cards")[0] == "○"


async def test_what_is_wrong_with_the_folder_of_the_model_is_said(look, company):
    report = await look(inference__engine="exllamav2", inference__model_dir=str(company / "none"))
    assert any("is no folder" in advice for _, _, advice in report.lines("model"))


async def test_every_endpoint_is_asked_for_one_real_token(look):
    async with open_peer() as one, open_peer() as other:
        report = await look(inference__endpoints=endpoints(one.url, other.url, api_key="sk-x"))
        asked = [*one.bodies, *other.bodies]
    assert report.good
    assert [mark for mark, _, _ in report.lines("model")] == ["✔", "✔"]
    assert all("one token in 0." in seen for _, seen, _ in report.lines("model"))
    assert [body["max_tokens"] for body in asked] == [1, 1]
    assert "sk-x" not in report.text


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (status(401), "api_key"),
        (status(404), "/v1"),
        (status(500), "its own log"),
        (status(429), "too much to do"),
        (drop(), "start the model server"),
        (hang(), "XIAOQ_INFERENCE__FIRST_TOKEN_SECONDS"),
    ],
)
async def test_an_endpoint_that_gives_none_is_named_with_what_to_do(look, behaviour, words):
    async with open_peer() as peer, open_peer() as well:
        peer.default = behaviour
        report = await look(
            inference__endpoints=endpoints(well.url, peer.url),
            inference__first_token_seconds="0.2",
        )
    assert not report.good
    good, bad = report.lines("model")
    assert good[0] == "✔"
    assert bad[0] == "✘"
    assert peer.url.split("/")[2] in bad[1]
    assert words in bad[2]


async def test_a_dead_endpoint_is_named(look):
    report = await look(inference__endpoints=endpoints(f"http://127.0.0.1:{free_port()}/v1"))
    mark, _, advice = report.line("model")
    assert mark == "✘"
    assert "start the model server" in advice


async def test_a_redis_that_does_not_answer_is_named_without_its_password(look):
    place = f"127.0.0.1:{free_port()}"
    report = await look(redis__url=f"redis://me:hush@{place}")
    mark, seen, advice = report.line("redis")
    assert mark == "✘"
    assert place in seen
    assert "XIAOQ_REDIS__URL" in advice
    assert "hush" not in report.text
    assert report.lines("clock") == []
    assert report.line("personas")[0] == "✔"


async def test_a_redis_that_does_not_take_the_password_is_named(look, redis_url, store):
    await store.execute_command("ACL", "SETUSER", "guest", "on", ">right", "~*", "+ping")
    try:
        wrong = await look(redis__url=f"{redis_url}?username=guest&password=wrong")
        narrow = await look(redis__url=f"{redis_url}?username=guest&password=right")
    finally:
        await store.execute_command("ACL", "DELUSER", "guest")
    assert [report.line("redis")[0] for report in (wrong, narrow)] == ["✘", "✘"]


def test_an_old_redis_is_to_be_replaced():
    assert judge_redis("there", "6.2.0").mark is Mark.GOOD
    old = judge_redis("there", "6.0.16")
    assert (old.mark, old.advice) == (Mark.BAD, "use Redis 6.2 or later, or Valkey")


def test_a_clock_that_is_off_is_to_be_set():
    assert judge_clock(4.9).mark is Mark.GOOD
    off = judge_clock(60.0)
    assert (off.mark, off.seen) == (Mark.BAD, "60.00 s off the clock of Redis")
    assert "NTP" in off.advice


def test_a_full_disk_is_named():
    assert judge_disk(Path("var"), 2 << 30).mark is Mark.GOOD
    full = judge_disk(Path("var"), 1 << 29)
    assert (full.mark, full.seen) == (Mark.BAD, "0.5 GiB free for var")
    assert "XIAOQ_STATE_DIR" in full.advice


async def test_a_port_that_a_stranger_has_is_named(look):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        report = await look(http__port=str(port))
    mark, seen, advice = report.line("port")
    assert mark == "✘"
    assert str(port) in seen
    assert "XIAOQ_HTTP__PORT" in advice


async def test_a_port_that_another_web_server_has_is_named_too(look):
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"live": "and kicking"})

    app = web.Application()
    app.router.add_get("/live", answer)
    async with TestServer(app) as other:
        assert (await look(http__port=str(other.port))).line("port")[0] == "✘"


async def test_a_port_that_xiaoq_has_is_no_fault(look, company, redis_url):
    settings = settings_for(company, redis_url)
    async with running(settings):
        report = await look(http__port=str(settings.http.port))
    assert report.good
    assert report.line("port")[1].endswith("XiaoQ is running there")


@pytest.mark.parametrize(("host", "mark"), [("localhost", "✔"), ("203.0.113.7", "✘")])
async def test_an_address_of_another_machine_is_named(look, host, mark):
    assert (await look(http__host=host)).line("port")[0] == mark


async def test_an_ipv6_address_is_looked_at_as_one(look):
    port = free_port()
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", port))
        except OSError:
            pytest.skip("this machine has no IPv6")
        assert (await look(http__host="::1", http__port=str(port))).line("port")[0] == "✘"
    assert (await look(http__host="::1", http__port=str(port))).line("port")[0] == "✔"


@pytest.mark.parametrize("place", ["/proc/state", "file", "file/state"])
async def test_a_folder_that_cannot_be_written_to_is_named(look, company, place):
    (company / "file").write_text("")
    report = await look(state_dir=place)
    mark, _, advice = report.line("disk")
    assert mark == "✘"
    assert f"XIAOQ_STATE_DIR: holds {place}, should be a folder" in advice


async def test_a_folder_that_cannot_be_written_to_is_no_place_for_an_embedded_redis(look):
    report = await look(state_dir="/proc/state", redis__url="")
    assert report.line("redis")[0] == "✘"
    assert "XIAOQ_STATE_DIR" in report.line("redis")[2]


async def test_a_broken_persona_is_named_with_its_line(look, company):
    path = company / "personas/shop.yaml"
    path.write_text(path.read_text().replace("300", "lots"))
    report = await look()
    marks = {mark for mark, _, _ in report.lines("personas")}
    advice = [advice for _, _, advice in report.lines("personas")]
    assert marks == {"✘"}
    assert advice[0].startswith("→ personas/shop.yaml:")
    assert report.line("knowledge")[0] == "✔"


async def test_a_broken_knowledge_file_is_named_and_the_rest_counted(look, company):
    (company / "knowledge/shop/broken.yaml").write_text("entries: [")
    report = await look()
    good, bad = report.lines("knowledge")
    assert (good[0], bad[0]) == ("✔", "✘")
    assert "knowledge/shop/broken.yaml:" in bad[2]


async def test_an_empty_knowledge_folder_is_to_be_filled(look, company):
    for path in (company / "knowledge/shop").iterdir():
        path.unlink()
    mark, seen, advice = (await look()).line("knowledge")
    assert mark == "✘"
    assert seen.startswith("0 entries")
    assert "put Markdown" in advice


async def test_settings_that_cannot_be_used_end_the_examination_with_every_reason(look):
    report = await look(http__port="x", redis__url="ftp://x")
    assert not report.good
    assert [mark for mark, _, _ in report.lines("settings")] == ["✘", "✘"]
    assert "XIAOQ_HTTP__PORT" in report.text
    assert report.lines("redis") == []
    assert report.text.splitlines()[-1].startswith("2 things to do")


async def test_platforms_that_are_off_name_the_settings_that_switch_them_on(look):
    report = await look()
    assert report.line("telegram") == ("○", "off", "→ to use it, set XIAOQ_TELEGRAM__TOKEN")
    assert report.line("slack") == ("○", "off", "→ to use it, set XIAOQ_SLACK__BOT_TOKEN")


async def test_each_account_is_asked_online_and_advice_follows(look):
    async with telegram_peer() as telegram:
        telegram.bot("111:shop-token", "shop_bot")
        good = await look(telegram__token="111:shop-token", telegram__api_base=telegram.url)
        bad = await look(telegram__token="999:nobody-has-it", telegram__api_base=telegram.url)
    assert good.lines("telegram")[0][0] == "✔"
    assert "@shop_bot" in good.lines("telegram")[0][1]
    assert not bad.good
    (mark, _, advice), *_ = bad.lines("telegram")
    assert mark == "✘"
    assert "@BotFather" in advice
    assert "nobody-has-it" not in bad.text


async def test_slack_is_asked_online_too(look):
    async with slack_peer() as slack:
        bot = slack.bot()
        report = await look(
            slack__bot_token=bot.token,
            slack__signing_secret=bot.signing_secret,
            slack__api_base=slack.base,
        )
        wrong = await look(
            slack__bot_token="xoxb-revoked",
            slack__signing_secret="12345678",
            slack__api_base=slack.base,
        )
    assert report.lines("slack")[0][0] == "✔"
    assert wrong.lines("slack")[0][0] == "✘"
    assert "revoked" not in wrong.text


async def test_every_part_of_a_wecom_account_is_asked_online(look):
    async with wecom_peer() as wecom:
        corp = wecom.corp()
        corp.app(1000002, "app-secret", {"lihua"})
        corp.kf_secret("kf-secret")
        corp.kf_account("wkAAA", "lihua")
        bot = wecom.aibot(long_connection=True)
        report = await look(
            wecom__corp_id=corp.id,
            wecom__agent_id="1000002",
            wecom__app_secret="app-secret",
            wecom__kf_secret="wrong-secret",
            wecom__callback_token=corp.endpoint.token,
            wecom__encoding_aes_key=corp.endpoint.aes_key,
            wecom__api_base=wecom.api_base,
            wecom__aibot_mode="socket",
            wecom__aibot_id=bot.id,
            wecom__aibot_secret=bot.secret,
            wecom__aibot_socket=wecom.socket_url,
        )
    assert "the app is seen by 1 member" in report.text
    assert report.line("wecom-aibot")[0] == "✔"
    (mark, seen, advice), *_ = report.lines("wecom-kf")
    assert (mark, "errcode 40001" in seen) == ("✘", True)
    assert "XIAOQ_WECOM__KF_SECRET" in advice
    assert not any(secret in report.text for secret in ("app-secret", "wrong-secret", bot.secret))


async def test_a_token_that_cannot_be_one_is_named_and_redis_is_not_blamed(look):
    report = await look(telegram__token="no-token-at-all")
    assert "Redis" not in report.line("accounts")[2]
    assert report.line("accounts")[0] == "✘"
    assert "XIAOQ_TELEGRAM__TOKEN" in report.line("accounts")[2]
    assert "no-token-at-all" not in report.text
