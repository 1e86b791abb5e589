"""What may be written to a customer of a kf account, and when.

Paths 94677 and 95122 of https://developer.work.weixin.qq.com/document.
"""

import re
import time

from peers.wecom_corps import Corp
from peers.wecom_kf import (
    ANSWER_SECONDS,
    ASSISTANT,
    BUDGET,
    NEW,
    Code,
    KfAccount,
    Session,
    Shown,
)
from peers.wecom_kf_methods import find
from peers.wecom_wire import Body, RefusedError, invalid, size, text_of

MSGID = re.compile(r"[0-9a-zA-Z_-]{1,32}\Z")
WITH_MEDIA = {"image", "voice", "video", "file"}
NEEDED = {
    "link": ("title", "url", "thumb_media_id"),
    "miniprogram": ("appid", "title", "thumb_media_id", "pagepath"),
    "location": ("latitude", "longitude"),
    "ca_link": ("link_url",),
}
CLICK_BYTES = {"click": {"id": (1, 64), "content": (1, 128)}, "view": {"content": (1, 1024)}}


async def send_msg(corp: Corp, body: Body) -> Body:
    """Write to a customer who wrote: at most five messages for each of theirs, for 48 hours."""
    account = find(corp, body)
    session = account.session(str(body.get("touser", "")))
    msgid = _msgid(account, body)
    if msgid in account.msgids:
        return {"msgid": msgid}
    msgtype, content = check_content(corp, body)
    if session.state not in {NEW, ASSISTANT}:
        raise RefusedError(95018, "send msg session status invalid")
    if session.wrote_at is None:
        raise RefusedError(95031, "no consultation in 48 hours")
    if session.wrote_at + ANSWER_SECONDS < account.clock.now():
        raise RefusedError(95002, "send msg time limit")
    if session.sent >= BUDGET:
        raise RefusedError(95001, "send msg count limit")
    session.sent += 1
    return _show(account, session, msgid, Shown(msgid, 0, 0, msgtype, content))


async def send_msg_on_event(corp: Corp, body: Body) -> Body:
    """Answer an event with its code, once and while it holds."""
    account, code = _find_code(corp, str(body.get("code", "")))
    session = account.session(code.user)
    msgid = _msgid(account, body)
    msgtype, content = check_content(corp, body)
    if msgtype not in code.kinds:
        raise RefusedError(95030, "msgtype forbidden here")
    if code.state is not None and session.state != code.state:
        raise RefusedError(95018, "session is not in the state of the code")
    del account.codes[str(body["code"])]
    if code.state is None:
        session.welcomed_at = account.clock.now()
    return _show(account, session, msgid, Shown(msgid, 0, 0, msgtype, content, "event"))


def _show(account: KfAccount, session: Session, msgid: str, shown: Shown) -> Body:
    now = account.clock.now()
    session.shown.append(Shown(msgid, now, time.monotonic(), shown.msgtype, shown.body, shown.by))
    account.msgids.add(msgid)
    return {"msgid": msgid}


def _find_code(corp: Corp, value: str) -> tuple[KfAccount, Code]:
    for account in corp.kf.values():
        code = account.codes.get(value)
        if code is not None and code.ends_at >= account.clock.now():
            return account, code
    raise RefusedError(40029, "invalid code")


def _msgid(account: KfAccount, body: Body) -> str:
    """Return the caller's id for the message, or a new one."""
    if "msgid" not in body:
        return account.ids.new("sent_")
    msgid = body["msgid"]
    if not isinstance(msgid, str) or not MSGID.match(msgid):
        raise invalid("invalid msgid")
    if msgid in account.msgids and account.repeated_errcode:
        raise RefusedError(account.repeated_errcode, "msgid repeated")
    return msgid


def check_content(corp: Corp, body: Body) -> tuple[str, Body]:
    """Return the type and the content of a message, or refuse it."""
    msgtype = body.get("msgtype")
    content = body.get(str(msgtype))
    if msgtype == "text":
        text_of(body, "text")
    elif not isinstance(content, dict):
        raise RefusedError(40008, "invalid message type")
    elif msgtype in WITH_MEDIA:
        corp.find_media(content.get("media_id"))
    elif msgtype == "msgmenu":
        _check_menu(content)
    elif msgtype not in NEEDED:
        raise RefusedError(40008, "invalid message type")
    else:
        _check_fields(corp, str(msgtype), content)
    return str(msgtype), dict(body[str(msgtype)])


def _check_fields(corp: Corp, msgtype: str, content: Body) -> None:
    for name in NEEDED[msgtype]:
        if content.get(name) in (None, ""):
            raise invalid(f"missing {name}")
    if "thumb_media_id" in content:
        corp.find_media(content["thumb_media_id"])


def _check_menu(menu: Body) -> None:
    entries = menu.get("list", [])
    if not isinstance(entries, list) or len(entries) > 10:
        raise RefusedError(95008, "menu list size invalid")
    if any(size(menu.get(name, "")) > 1024 for name in ("head_content", "tail_content")):
        raise RefusedError(95009, "menu content size invalid")
    if not entries and not menu.get("head_content"):
        raise RefusedError(95009, "menu is empty")
    for entry in entries:
        _check_entry(entry)


def _check_entry(entry: Body) -> None:
    kind = entry.get("type")
    inner = entry.get(str(kind))
    if kind not in {*CLICK_BYTES, "miniprogram", "text"} or not isinstance(inner, dict):
        raise RefusedError(95008, "menu entry invalid")
    if kind == "view" and not 1 <= size(inner.get("url", "")) <= 2048:
        raise RefusedError(95009, "menu url size invalid")
    for name, (least, most) in CLICK_BYTES.get(kind, {}).items():
        if not least <= size(inner.get(name, "")) <= most:
            raise RefusedError(95009, f"menu {name} size invalid")
