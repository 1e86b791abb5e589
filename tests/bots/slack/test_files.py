import pytest
from staff import answer_in

from bots.slack.api import FILES, HOOKS, SlackHosts
from bots.slack.files import Files
from core.messages import Address, Attachment, Message


async def test_a_text_file_is_read_with_its_question(office, peer, bot, model):
    async with office.open(bot, model=model):
        await peer.share(
            "terms.md", "保修期是两年。".encode(), "保修期多长？", mimetype="text/markdown"
        )
        await answer_in(peer)
    assert "保修期是两年。" in str(model.bodies[0]["messages"])


async def test_a_picture_is_said_to_be_unreadable(office, peer, bot, model):
    async with office.open(bot, model=model):
        await peer.share("a.png", b"\x89PNG", mimetype="image/png")
        answer = await answer_in(peer)
    assert answer.shown


async def test_a_missing_scope_is_no_document(peer, files):
    bot = peer.bots[0]
    url = await shared(peer, b"words")
    assert (await files.read([with_file(url)]))[0].text == "words"
    bot.scopes = ("chat:write",)
    assert await files.read([with_file(url)]) == [None]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/f",
        "http://files.slack.com/f",
        "https://files.slack.com.evil.example/f",
        "https://files.slack.com@evil.example/f",
        "https://user@files.slack.com/f",
        "https://files.slack.com:444/f",
        "file:///etc/passwd",
        "//files.slack.com/f",
        "https://[broken",
        "",
    ],
)
def test_the_token_goes_to_slack_alone(url):
    hosts = SlackHosts("https://slack.com/api/")
    assert not hosts.hold(url, FILES)
    assert not hosts.hold(url.replace("files", "hooks"), HOOKS)


def test_slacks_own_addresses_are_known():
    hosts = SlackHosts("https://slack.internal:8443/api/")
    assert hosts.hold("https://files.slack.com/files-pri/T1-F1/a.txt", FILES)
    assert hosts.hold("https://hooks.slack.com/commands/T1/2/3", HOOKS)
    assert hosts.hold("https://slack.internal:8443/files/1", FILES)
    assert not hosts.hold("https://hooks.slack.com/x", FILES)


@pytest.mark.parametrize("size", [300_000, 0])
async def test_a_large_file_is_left_alone(peer, files, size):
    url = await shared(peer, b"x" * 300_000)
    assert await files.read([with_file(url, size=size)]) == [None]


async def test_other_kinds_and_other_hosts_are_not_asked_for(peer, files):
    url = await shared(peer, b"words")
    assert await files.read([with_file(url, kind="photo")]) == [None]
    assert await files.read([with_file(url.replace("127.0.0.1", "localhost"))]) == [None]
    assert await files.read([with_file(url.replace("/files/", "/files/404"))]) == [None]


@pytest.fixture
def files(account, peer, bot):
    return Files(account.session, bot.token, SlackHosts(peer.base))


async def shared(peer, content):
    peer.ack_seconds, peer.retry_delays = 0.01, ()  # nobody listens
    event = await peer.share("a.txt", content)
    return event.event["files"][0]["url_private"]


def with_file(url, kind="document", size=5):
    file = Attachment("F1", kind, "a.txt", "text/plain", size)
    address = Address("slack", "main", "T1/UBOT/D1", "U1")
    return Message("D1/1.1", address, "", 0.0, attachments=(file,), envelope={"file/F1": url})
