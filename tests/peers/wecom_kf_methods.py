"""The calls of `kf/*` but for those that send."""

import re

from peers.wecom_corps import Corp
from peers.wecom_kf import ASSISTANT, MOVES, SERVICER, KfAccount
from peers.wecom_wire import Body, RefusedError, invalid

MOST_ITEMS = 1000


async def sync_msg(corp: Corp, body: Body) -> Body:
    """Return the items after a cursor."""
    account = find(corp, body)
    limit = body.get("limit", MOST_ITEMS)
    if not isinstance(limit, int) or not 1 <= limit <= MOST_ITEMS:
        raise invalid("invalid limit")
    if body.get("voice_format", 0) not in {0, 1}:
        raise invalid("invalid voice_format")
    return account.pull(str(body.get("cursor", "")), str(body.get("token", "")), limit)


async def get_state(corp: Corp, body: Body) -> Body:
    """Say in which state a customer's session is."""
    session = find(corp, body).session(str(body.get("external_userid", "")))
    found: Body = {"service_state": session.state}
    return found | ({"servicer_userid": session.servicer} if session.servicer else {})


async def move_state(corp: Corp, body: Body) -> Body:
    """Move a session to another state."""
    account = find(corp, body)
    session = account.session(str(body.get("external_userid", "")))
    state, servicer = body.get("service_state"), str(body.get("servicer_userid", ""))
    if state not in MOVES:
        raise invalid("invalid service_state")
    if not MOVES[session.state]:
        raise RefusedError(95013, "conversation is end")
    if state not in MOVES[session.state]:
        raise RefusedError(95016, "invalid service state transition")
    if state == SERVICER:
        _check_servicer(account, servicer)
    session.move(state, servicer if state == SERVICER else "")
    return {} if state == ASSISTANT else {"msg_code": account.state_code(session.user, state)}


async def list_accounts(corp: Corp, body: Body) -> Body:
    """List the kf accounts."""
    offset, limit = int(body.get("offset", 0)), int(body.get("limit", 100))
    described = [
        {"open_kfid": a.id, "name": a.name, "avatar": "", "manage_privilege": a.managed}
        for a in corp.kf.values()
    ]
    return {"account_list": described[offset : offset + limit]}


async def list_servicers(corp: Corp, body: Body) -> Body:
    """List the servicers of an account and whether they receive customers."""
    servicers = find(corp, body).servicers.items()
    return {
        "servicer_list": [
            {"userid": user, "status": 0} if receives
            else {"userid": user, "status": 1, "stop_type": 0}
            for user, receives in servicers
        ]
    }  # fmt: skip


async def add_servicers(corp: Corp, body: Body) -> Body:
    """Add servicers; those who are not visible to an app are refused one by one."""
    account = find(corp, body)
    members = {member for app in corp.apps.values() for member in app.members}
    results = []
    for user in body.get("userid_list", []):
        is_known = user in members
        if is_known:
            account.servicers.setdefault(user, True)
        results.append(_result(user, 0 if is_known else 60111))
    return {"result_list": results}


async def delete_servicers(corp: Corp, body: Body) -> Body:
    """Take servicers away."""
    account = find(corp, body)
    users = body.get("userid_list", [])
    return {
        "result_list": [
            _result(user, 0 if account.servicers.pop(user, None) is not None else 95014)
            for user in users
        ]
    }


async def add_contact_way(corp: Corp, body: Body) -> Body:
    """Make the link by which customers come."""
    account, scene = find(corp, body), str(body.get("scene", ""))
    if not re.fullmatch("[0-9a-zA-Z_-]{0,32}", scene):
        raise invalid("invalid scene")
    return {"url": f"https://work.weixin.qq.com/kf/kfc{account.id}?enc_scene={scene}"}


async def get_customers(corp: Corp, body: Body) -> Body:
    """Say who customers are."""
    wanted = body.get("external_userid_list")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= 100:
        raise invalid("invalid external_userid_list")
    known = {user for account in corp.kf.values() for user in account.sessions}
    return {
        "customer_list": [_profile(corp, user) for user in wanted if user in known],
        "invalid_external_userid": [user for user in wanted if user not in known],
    }


def find(corp: Corp, body: Body) -> KfAccount:
    """Return the account a call is about, or refuse it."""
    open_kfid = body.get("open_kfid")
    if not open_kfid:
        raise RefusedError(95000, "invalid open_kfid")
    account = corp.kf.get(str(open_kfid))
    if account is None:
        raise RefusedError(95004, "open_kfid not exist")
    if not account.managed:
        raise RefusedError(95017, "api switch is off")
    return account


def _check_servicer(account: KfAccount, servicer: str) -> None:
    if servicer not in account.servicers:
        raise RefusedError(95014, "invalid servicer")
    if not account.servicers[servicer]:
        raise RefusedError(95019, "servicer stopped receiving")


def _result(user: str, code: int) -> Body:
    return {"userid": user, "errcode": code, "errmsg": "ok" if code == 0 else "invalid userid"}


def _profile(corp: Corp, user: str) -> Body:
    names: Body = {"external_userid": user, "nickname": f"客户{user}", "avatar": "", "gender": 0}
    return names | corp.profiles.get(user, {})
