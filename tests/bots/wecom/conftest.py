"""A WeCom of our own, and XiaoQ with a corp account there."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from company import found_company, running, settings_for
from peers.model import ModelPeer, open_peer
from peers.wecom import WeComPeer, wecom_peer
from peers.wecom_corps import App, Corp
from peers.wecom_kf_people import KfDesk

from bots.house import House, Role
from bots.wecom.account import open_app
from bots.wecom.api import WeComApi, open_session
from bots.wecom.callback import Callback
from config.settings import HttpSettings, WeComSettings
from core.inbox import Inbox
from core.redis import Store

AGENT, APP_SECRET, KF_SECRET = 1000002, "app-secret", "kf-secret"
KFID = "wkAAA"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was turned away comes back after a fifth of a second instead of one or two."""
    for name in (
        "api.FIRST_HOLD_SECONDS",
        "tokens.AWAY_SECONDS",
        "kf.pull.RETRY_SECONDS",
        "aibot.connection.TOO_MANY_SECONDS",
    ):
        monkeypatch.setattr(f"bots.wecom.{name}", 0.2)


@pytest.fixture
async def wecom() -> AsyncIterator[WeComPeer]:
    async with wecom_peer() as peer:
        yield peer


@pytest.fixture
def corp(wecom: WeComPeer) -> Corp:
    opened = wecom.corp()
    opened.kf_secret(KF_SECRET)
    return opened


@pytest.fixture
def app(corp: Corp) -> App:
    return corp.app(AGENT, APP_SECRET, {"lihua", "zhangwei"})


@pytest.fixture
def desk(corp: Corp) -> KfDesk:
    return corp.kf_account(KFID, "zhangwei")


@pytest.fixture
async def model() -> AsyncIterator[ModelPeer]:
    async with open_peer() as peer:
        yield peer


@pytest.fixture
def company(tmp_path: Path) -> Path:
    return found_company(tmp_path)


@pytest.fixture
def thinking(model: ModelPeer) -> dict[str, Any]:
    """The section that has a model answer."""
    return {"inference": {"endpoints": [{"url": model.url, "model": "peer"}]}}


@pytest.fixture
def long_answer(company: Path) -> str:
    """What knowledge says to 详细说说: more than two messages hold."""
    text = "".join(f"这是第{number}句话，说明了一件事情。" for number in range(100))
    faq = {"title": "详细", "questions": ["详细说说"], "answer": text}
    (company / "knowledge/shop/long.zh.yaml").write_text(
        json.dumps({"line": "shop", "language": "zh", "entries": [faq]}, ensure_ascii=False)
    )
    return text


@pytest.fixture
def entry(wecom: WeComPeer) -> Callable[..., dict[str, Any]]:
    """An entry of the settings for a corp of the peer."""

    def written(corp: Corp, **more: Any) -> dict[str, Any]:
        callback = {
            "callback_token": corp.endpoint.token,
            "encoding_aes_key": corp.endpoint.aes_key,
        }
        return {"corp_id": corp.id, "api_base": wecom.api_base, **callback, **more}

    return written


@pytest.fixture
def open_house(company: Path, redis_url: str, wecom: WeComPeer, store: Store) -> Callable[..., Any]:
    """XiaoQ with these entries; the peer then knows where its callbacks go."""

    @asynccontextmanager
    async def opened(
        *entries: dict[str, Any], port: int = 0, role: Role = Role.ALL, **sections: Any
    ) -> AsyncIterator[House]:
        settings = settings_for(company, redis_url, wecom=entries, **sections)
        http = HttpSettings(port=port or settings.http.port)
        settings = settings.model_copy(update={"http": http})
        for corp, one in [(wecom.corps[e["corp_id"]], e) for e in entries if "corp_id" in e]:
            name = one.get("name", "main")
            path = "/wecom/callback" + ("" if name == "main" else f"/{name}")
            corp.endpoint.url = f"http://127.0.0.1:{http.port}{path}"
        async with running(settings, role) as house:
            yield house

    return opened


@pytest.fixture
async def app_house(
    open_house: Callable[..., Any], entry: Callable[..., dict[str, Any]], corp: Corp, app: App
) -> AsyncIterator[House]:
    """XiaoQ as the company's own app."""
    async with open_house(entry(corp, agent_id=AGENT, app_secret=APP_SECRET)) as house:
        yield house


@pytest.fixture
async def api(store: Store, wecom: WeComPeer, corp: Corp, app: App) -> AsyncIterator[WeComApi]:
    """The calls of the company's own app."""
    async with open_session(wecom.api_base) as session:
        yield WeComApi(session, store, wecom.api_base, corp.id, APP_SECRET)


@pytest.fixture
async def kf_house(
    open_house: Callable[..., Any], entry: Callable[..., dict[str, Any]], corp: Corp, desk: KfDesk
) -> AsyncIterator[House]:
    """XiaoQ at a kf account."""
    async with open_house(entry(corp, kf_secret=KF_SECRET)) as house:
        yield house


@pytest.fixture
async def worker(open_house: Callable[..., Any], settings: dict[str, Any]) -> AsyncIterator[House]:
    """XiaoQ without ears, with the account of the module's `settings`."""
    async with open_house(settings, role=Role.WORKER) as house:
        yield house


@pytest.fixture
def open_part(worker: House, settings: dict[str, Any]) -> Callable[..., Any]:
    """A part of the account, opened by `opener`, around an inbox of one's own."""

    def opened(opener: Callable[..., Any], inbox: Inbox | None = None, **more: Any) -> Any:
        section = WeComSettings(**settings)
        return opener(
            section,
            Callback(section, worker.store),
            store=worker.store,
            inbox=inbox or worker.inbox,
            feedback=worker.feedback,
            metrics=worker.metrics,
            **more,
        )

    return opened


@pytest.fixture
def open_app_account(open_part: Callable[..., Any]) -> Callable[..., Any]:
    """The account of the company's own app, around an inbox of one's own."""
    return partial(open_part, open_app)
