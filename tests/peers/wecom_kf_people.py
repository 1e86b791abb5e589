"""What customers and servicers do at a kf account."""

from typing import Any

from peers.wecom_kf import (
    ANSWER_SECONDS,
    ENDED,
    NEW,
    SERVICER,
    SHORT_CODE_SECONDS,
    KfAccount,
    Shown,
)
from peers.wecom_wire import Body

CUSTOMER, SYSTEM, HUMAN = 3, 4, 5
"""Origins of items."""


class KfDesk(KfAccount):
    """A kf account with people at it; each verb returns the item it made."""

    def says(self, user: str, text: str, menu_id: str = "", **more: Any) -> Body:
        """Let a customer write; `send_time` can be given."""
        content = {"content": text} | ({"menu_id": menu_id} if menu_id else {})
        return self.sends(user, "text", content, **more)

    def sends(self, user: str, msgtype: str, content: Body, **more: Any) -> Body:
        """Let a customer send anything."""
        session = self.visit(user)
        if session.state == ENDED:
            session.move(NEW)
        session.wrote_at, session.sent = self.clock.now(), 0
        return self.log(CUSTOMER, msgtype, content, external_userid=user, **more)

    def presses(self, user: str, menu_id: str) -> Body:
        """Let a customer press a button of a menu that stands in the chat."""
        for shown in reversed(self.sessions[user].shown):
            for entry in shown.body.get("list", []) if shown.msgtype == "msgmenu" else []:
                click = entry.get("click", {})
                if click.get("id") == menu_id:
                    return self.says(user, click["content"], menu_id)
        raise LookupError(f"no button {menu_id}")

    def enters(self, user: str, scene: str = "site", scene_param: str = "") -> Body:
        """Let a customer open the chat; a welcome code comes as the vendor's rules have it."""
        session = self.visit(user)
        event = {"scene": scene, "scene_param": scene_param}
        now = self.clock.now()
        recent = (session.welcomed_at, session.wrote_at)
        is_fresh = all(at is None or at + ANSWER_SECONDS < now for at in recent)
        if is_fresh and not self.greets_itself:
            event["welcome_code"] = self.code(user, None, SHORT_CODE_SECONDS, "text", "msgmenu")
        return self.happens("enter_session", external_userid=user, **event)

    def recalls(self, user: str, msgid: str) -> Body:
        """Let a customer take a message back."""
        return self.happens("user_recall_msg", external_userid=user, recall_msgid=msgid)

    def send_fails(self, user: str, msgid: str, fail_type: int) -> Body:
        """Let a message that was taken fail afterwards."""
        session = self.sessions[user]
        session.shown = [shown for shown in session.shown if shown.msgid != msgid]
        return self.happens(
            "msg_send_fail", external_userid=user, fail_msgid=msgid, fail_type=fail_type
        )

    def takes(self, servicer: str, user: str) -> Body:
        """Let a servicer take a customer from the pool."""
        return self._changes(user, 1, SERVICER, new=servicer)

    def hands(self, old: str, new: str, user: str) -> Body:
        """Let a servicer give a customer to another."""
        return self._changes(user, 2, SERVICER, old=old, new=new)

    def ends(self, servicer: str, user: str) -> Body:
        """Let a servicer end a session."""
        return self._changes(user, 3, ENDED, old=servicer)

    def reopens(self, servicer: str, user: str) -> Body:
        """Let a servicer begin again with a customer whose session ended."""
        return self._changes(user, 4, SERVICER, new=servicer)

    def types(self, servicer: str, user: str, text: str) -> Body:
        """Let a servicer write to a customer in the WeCom client."""
        session = self.visit(user)
        if session.state != SERVICER:
            session.move(SERVICER, servicer)
        item = self.log(
            HUMAN, "text", {"content": text}, external_userid=user, servicer_userid=servicer
        )
        now = self.clock.now()
        session.shown.append(Shown(item["msgid"], now, 0.0, "text", {"content": text}, servicer))
        return item

    def receives(self, servicer: str, *, now: bool = True) -> Body:
        """Let a servicer begin or stop receiving customers."""
        self.servicers[servicer] = now
        fields: Body = {"servicer_userid": servicer, "status": 1 if now else 2}
        if not now:
            fields["stop_type"] = 0
        return self.happens("servicer_status_change", **fields)

    def happens(self, event_type: str, **fields: Any) -> Body:
        """Let an event happen, known or not."""
        event = {"event_type": event_type, "open_kfid": self.id} | fields
        return self.log(SYSTEM, "event", event)

    def _changes(self, user: str, change: int, state: int, *, old: str = "", new: str = "") -> Body:
        self.visit(user).move(state, new)
        fields: Body = {"change_type": change, "old_servicer_userid": old}
        fields |= {"new_servicer_userid": new}
        if change in {1, 3}:
            fields["msg_code"] = self.state_code(user, state)
        return self.happens("session_status_change", external_userid=user, **fields)
