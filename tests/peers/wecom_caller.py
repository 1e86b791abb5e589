"""A program of the company that calls WeCom's API with plain aiohttp, to try the peer itself."""

import io
from typing import Any

import aiohttp
from peers.wecom import WeComPeer
from peers.wecom_wire import Body


class Caller:
    """A program of the company that calls the API."""

    def __init__(self, peer: WeComPeer, session: aiohttp.ClientSession) -> None:
        self._peer = peer
        self._session = session
        self.token = ""

    async def log_in(self, secret: str = "s1", corp: str = "wwcorp1") -> Body:
        """Ask for a token and use it from now on."""
        query = {"corpid": corp, "corpsecret": secret}
        async with self._session.get(self._url("gettoken"), params=query) as response:
            answer: Body = await response.json()
        self.token = answer.get("access_token", self.token)
        return answer

    async def post(self, method: str, **body: Any) -> Body:
        """Call a method with a body."""
        query = {"access_token": self.token}
        async with self._session.post(self._url(method), params=query, json=body) as response:
            answer: Body = await response.json()
            return answer

    async def get(self, method: str, **query: str) -> Body | bytes:
        """Call a method with a query; bytes for a file."""
        query |= {"access_token": self.token}
        async with self._session.get(self._url(method), params=query) as response:
            if response.content_type == "application/json":
                answer: Body = await response.json()
                return answer
            return await response.read()

    async def upload(self, kind: str, data: bytes, name: str, **more: Any) -> Body:
        """Upload a file; `more` goes to `FormData`."""
        form = aiohttp.FormData(**more)
        form.add_field("media", io.BytesIO(data), filename=name)
        query = {"access_token": self.token, "type": kind}
        url = self._url("media/upload")
        async with self._session.post(url, params=query, data=form) as response:
            answer: Body = await response.json()
            return answer

    def _url(self, method: str) -> str:
        return f"{self._peer.url}/cgi-bin/{method}"
