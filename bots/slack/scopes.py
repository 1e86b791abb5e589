"""What the app must be allowed to do; the manifests beside this file ask for it."""

SCOPES = {
    "app_mentions:read": "hear when it is mentioned",
    "assistant:write": "suggest questions, say that it thinks, name threads",
    "channels:history": "hear what follows in threads of public channels",
    "chat:write": "answer",
    "commands": "the slash command and the message shortcut",
    "files:read": "read text files that come with a question",
    "groups:history": "hear what follows in threads of private channels",
    "im:history": "hear direct messages",
    "mpim:history": "hear group messages",
    "users:read": "know names, time zones and languages",
}
"""Bot token scopes and what each is for."""
APP_SCOPE = "connections:write"
"""Scope of the app-level token, for Socket Mode."""
EVENTS = (
    "app_home_opened",
    "app_mention",
    "assistant_thread_context_changed",
    "assistant_thread_started",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
)
"""Bot events. Slack wants the one on a changed context with the assistant; nobody listens to it."""


def missing(header: str) -> list[str]:
    """Scopes that are needed and not in Slack's `x-oauth-scopes`."""
    given = {scope.strip() for scope in header.split(",")}
    return [scope for scope in SCOPES if scope not in given]
