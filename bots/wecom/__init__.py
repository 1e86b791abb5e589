"""WeCom (企业微信): a company's own app, 微信客服 (kf) for its customers, the AI bot (智能机器人).

One entry of the settings is one corp account. Each of the three parts that its secrets switch on is
an `Adapter` of its own, so one that falls leaves the others up:

| part | channel       | account        | chat                  | user            |
|------|---------------|----------------|-----------------------|-----------------|
| app  | `wecom`       | `main`         | `corp_id/agent_id`    | userid          |
| kf   | `wecom-kf`    | `main/wkAAA`   | `corp_id/wkAAA`       | external_userid |
| bot  | `wecom-aibot` | `main`         | `aibotid[/chatid]`    | userid          |

`main` is the name of the settings' entry. A kf account (open_kfid) is a part of it, written after a
stroke, so that two kf accounts never mix and each can have its persona: a persona claims
`wecom-kf:main/wkAAA`, all kf accounts of the entry by `wecom-kf:main`, all of every entry by
`wecom-kf`. An entry's own `persona` answers where no persona claims the very kf account.

App and kf hear through one callback, `/wecom/callback` (`/wecom/callback/NAME` for entries not
named main); the AI bot through `/wecom/aibot` likewise, or over a socket. Shared by the parts are
`crypto` (signature and AES of callbacks), `door` (what a callback has to prove), `callback`,
`tokens`, `api` and `errors` (calls), `patience` (repeats) and `media`; `bots.wecom` itself holds
the app, `bots.wecom.kf` and `bots.wecom.aibot` the other two.
"""
