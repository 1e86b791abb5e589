"""The calls of a self-built app: messages to members, and what the app is.

Path 90236 of https://developer.work.weixin.qq.com/document.
"""

import json
import time

from peers.wecom_corps import App, Corp, Sent
from peers.wecom_tokens import Secret
from peers.wecom_wire import Body, RefusedError, invalid, text_of

CONTENTS = {
    *("text", "markdown", "textcard", "news", "mpnews", "template_card", "miniprogram_notice"),
    *("image", "voice", "video", "file"),
}
WITH_MEDIA = {"image", "voice", "video", "file"}
MOST_RECEIVERS = 1000
REPEAT_SECONDS = 1800
INTERACTIVE = {"button_interaction", "vote_interaction", "multiple_interaction"}


async def send_message(corp: Corp, body: Body, secret: Secret) -> Body:
    """Write to members; an identical body within the interval is taken and not shown again."""
    app = own_app(corp, body, secret)
    msgtype, content = _check(corp, body)
    given = _receivers(app, body)
    known = tuple(user for user in given if user in app.members)
    if not known:
        raise RefusedError(81013, "user & department & tag all invalid")
    repeated = _repeated(corp, body)
    if repeated is not None:
        return repeated
    answer = _show(corp, app, known, msgtype, content)
    invalid_users = "|".join(user for user in given if user not in app.members)
    answer |= {"invaliduser": invalid_users} if invalid_users else {}
    _note(corp, body, answer)
    return answer


async def update_card(corp: Corp, body: Body, secret: Secret) -> Body:
    """Change an interactive card, once by each code."""
    app = own_app(corp, body, secret)
    if app.cards.pop(str(body.get("response_code", "")), None) is None:
        raise RefusedError(41088, "invalid response_code")
    return {}


async def recall_message(corp: Corp, body: Body, secret: Secret) -> Body:
    """Take a message back."""
    for app in corp.apps.values():
        kept = [sent for sent in app.sent if sent.msgid != body.get("msgid")]
        if len(kept) < len(app.sent):
            app.sent = kept
            return {}
    raise invalid("invalid msgid")


async def get_agent(corp: Corp, body: Body, secret: Secret) -> Body:
    """Describe an app: its name and who sees it."""
    given = str(body.get("agentid", ""))
    app = own_app(corp, body | {"agentid": int(given) if given.isdecimal() else 0}, secret)
    return {
        "agentid": app.id,
        "name": app.name,
        "square_logo_url": "",
        "description": "",
        "allow_userinfos": {"user": [{"userid": user} for user in sorted(app.members)]},
        "allow_partys": {"partyid": []},
        "allow_tags": {"tagid": []},
        "close": 0,
        "redirect_domain": "",
        "report_location_flag": 0,
        "isreportenter": 1,
        "home_url": "",
    }


async def get_callback_ip(corp: Corp, body: Body, secret: Secret) -> Body:
    """List the addresses that callbacks come from."""
    return {"ip_list": ["127.0.0.1"]}


def own_app(corp: Corp, body: Body, secret: Secret) -> App:
    """Return the app that a call names, or refuse it: it must be the token's own."""
    agent_id = body.get("agentid")
    if not isinstance(agent_id, int) or agent_id not in corp.apps:
        raise RefusedError(40056, "invalid agentid")
    if secret.agent_id != agent_id:
        raise RefusedError(301002, "not allow operate another agent with this accesstoken")
    return corp.apps[agent_id]


def _receivers(app: App, body: Body) -> list[str]:
    named = str(body.get("touser", ""))
    if named == "@all":
        return sorted(app.members)
    users = [user.lower() for user in named.split("|") if user]
    if len(users) > MOST_RECEIVERS:
        raise invalid("touser out of limit")
    return list(dict.fromkeys(users))


def _check(corp: Corp, body: Body) -> tuple[str, Body]:
    msgtype = str(body.get("msgtype"))
    content = body.get(msgtype)
    if msgtype not in CONTENTS:
        raise RefusedError(40008, "invalid message type")
    if msgtype in {"text", "markdown"}:
        text_of(body, msgtype)
    if not isinstance(content, dict) or not content:
        raise invalid(f"missing {msgtype}")
    if msgtype in WITH_MEDIA and corp.find_media(content.get("media_id")).kind != msgtype:
        raise RefusedError(40004, "invalid media type")
    return msgtype, content


def _show(corp: Corp, app: App, users: tuple[str, ...], msgtype: str, content: Body) -> Body:
    now = time.monotonic()
    reached = tuple(user for user in users if app.may_reach(user, now))
    sent = Sent(corp.ids.new("appmsg_"), now, reached, msgtype, content)
    app.sent.append(sent)
    answer: Body = {"msgid": sent.msgid}
    if content.get("card_type") in INTERACTIVE:
        code = corp.ids.new("CARD")
        app.cards[code] = sent
        answer["response_code"] = code
    return answer


def _repeated(corp: Corp, body: Body) -> Body | None:
    if not body.get("enable_duplicate_check"):
        return None
    until, answer = corp.answered.get(_digest(body), (0.0, {}))
    return answer if until > corp.clock.now() else None


def _note(corp: Corp, body: Body, answer: Body) -> None:
    if body.get("enable_duplicate_check"):
        seconds = body.get("duplicate_check_interval", REPEAT_SECONDS)
        if not isinstance(seconds, int) or seconds > 4 * 3600:
            raise invalid("invalid duplicate_check_interval")
        corp.answered[_digest(body)] = corp.clock.now() + seconds, answer


def _digest(body: Body) -> str:
    return json.dumps(body, sort_keys=True)
