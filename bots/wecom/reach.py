"""Whether a callback can be reached from outside: asked as WeCom asks when its address is saved."""

import secrets
import time

import aiohttp

from bots.adapter import Finding, Mark
from bots.wecom.complaints import setting
from bots.wecom.crypto import Seal
from config.settings import WeComSettings

REACH_SECONDS = 8.0
SLOW_SECONDS = 1.0
"""WeCom waits no longer for the echo."""


async def reach(part: str, settings: WeComSettings, path: str, seal: Seal) -> Finding:
    """Go out and come in again by the public address."""
    if settings.public_url is None:
        seen = f"nobody has looked whether {path} can be reached from outside"
        advice = f"name the public https address in {setting(settings, 'public_url')}"
        return Finding(Mark.OFF, part, seen, advice)
    url = str(settings.public_url).rstrip("/") + path
    began = time.monotonic()
    try:
        status, is_echo = await _ask(url, seal)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        seen = f"{url} cannot be reached ({type(error).__name__})"
        advice = (
            "start XiaoQ, and let the name, the certificate and the proxy behind "
            f"{setting(settings, 'public_url')} lead to it"
        )
        return Finding(Mark.BAD, part, seen, advice)
    seconds = time.monotonic() - began
    if not is_echo:
        seen = f"{url} does not answer as XiaoQ does (status {status})"
        return Finding(Mark.BAD, part, seen, _advice(status))
    if seconds > SLOW_SECONDS:
        seen = f"{url} took {seconds:.1f} s to answer, and WeCom waits 1 s"
        return Finding(Mark.BAD, part, seen, "see what slows it down between here and there")
    return Finding(Mark.GOOD, part, f"{url} answers as WeCom wants it")


async def _ask(url: str, seal: Seal) -> tuple[int, bool]:
    """The status, and whether the echo was ours."""
    echo = secrets.token_hex(8)
    sealed, timestamp, nonce = seal.seal(echo), str(int(time.time())), secrets.token_hex(8)
    query = {"timestamp": timestamp, "nonce": nonce, "echostr": sealed}
    query["msg_signature"] = seal.sign(timestamp, nonce, sealed)
    timeout = aiohttp.ClientTimeout(total=REACH_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
        session.get(url, params=query, allow_redirects=False) as response,
    ):
        text = await response.content.read(64)
        return response.status, response.status == 200 and text == echo.encode()


def _advice(status: int) -> str:
    match status:
        case 401:
            return (
                "XiaoQ runs there with another Token: see that the settings are the same here and "
                "there, and in WeCom's console; then start it again"
            )
        case 403:
            return (
                "XiaoQ runs there with another EncodingAESKey, or a clock is wrong: see that the "
                "settings are the same here and there, switch on time synchronisation (NTP), and "
                "start it again"
            )
        case 404 | 405:
            return "let the proxy pass the path on unchanged, and start XiaoQ with this account"
        case 502 | 503 | 504:
            return "start XiaoQ: the proxy is there, and nobody behind it"
    return "let the proxy pass path and query on unchanged, without a page of its own before it"
