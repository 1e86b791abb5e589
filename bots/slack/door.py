"""The HTTP door of one account: signature and age are looked at before anything is parsed."""

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.request.internals import parse_body
from slack_sdk.signature import SignatureVerifier

from bots.slack.desk import NO_RETRY, Desk


class Door:
    """Takes signed requests and hands what is in them to the desk."""

    def __init__(self, desk: Desk, signing_secret: str) -> None:
        self._desk = desk
        self._verifier = SignatureVerifier(signing_secret)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of Slack's: 401 for one that is not, else what the desk says."""
        raw = await request.read()
        headers = request.headers
        timestamp = headers.get("X-Slack-Request-Timestamp", "")
        if not self._is_signed(raw, timestamp, headers.get("X-Slack-Signature", "")):
            return web.Response(status=401)
        try:
            payload = parse_body(raw.decode(), request.content_type)
        except (ValueError, RecursionError):
            return web.Response(status=400, headers=NO_RETRY)
        return await to_aiohttp_response(await self._desk.handle(payload))

    def _is_signed(self, raw: bytes, timestamp: str, signature: str) -> bool:
        """Whether it was signed with the secret within the last five minutes."""
        if not (timestamp.isascii() and timestamp.isdigit() and signature.isascii()):
            return False
        try:
            return len(timestamp) < 20 and self._verifier.is_valid(raw, timestamp, signature)
        except UnicodeDecodeError:
            return False
