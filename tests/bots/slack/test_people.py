import pytest

from bots.slack.people import People, read_colleague


async def test_somebody_is_asked_for_once_a_day(account, peer, store):
    peer.user("U1", tz="Asia/Shanghai", locale="zh-CN", profile={"display_name": "Ann"})
    people = People(account.api, store)
    for _ in range(3):
        who = await people.find("T1", "U1")
        assert (who.name, who.time_zone, who.language) == ("Ann", "Asia/Shanghai", "zh-CN")
    assert [call.method for call in peer.calls] == ["users.info"]
    assert 86_000 < await store.ttl("xq:slack:person:T1/U1") <= 86_400


async def test_other_processes_need_not_ask_again(account, peer, store):
    peer.user("U1", profile={"display_name": "Ann"})
    for _ in range(2):
        assert (await People(account.api, store).find("T1", "U1")).name == "Ann"
    assert len(peer.calls) == 1


async def test_what_another_version_kept_is_asked_for_anew(account, peer, store):
    peer.user("U1", profile={"display_name": "Ann"})
    await store.set("xq:slack:person:T1/U1", '{"nick": "Ann"}')
    assert (await People(account.api, store).find("T1", "U1")).name == "Ann"


@pytest.mark.parametrize("fault", ["missing_scope", "user_not_found"])
async def test_a_name_that_cannot_be_had_is_no_error_and_not_asked_for_at_once(
    account, peer, store, fault
):
    peer.user("U1")
    peer.fail("users.info", error=fault)
    people = People(account.api, store)
    who = await people.find("T1", "U1")
    assert (who.name, who.is_answered) == ("", True)
    await people.find("T1", "U1")
    assert len(peer.calls) == 1


async def test_nobody_waits_long_for_a_name(account, peer, store):
    peer.user("U1")
    peer.slow("users.info", 1.7)
    assert (await People(account.api, store).find("T1", "U1")).name == ""


async def test_names_of_several_come_together(account, peer, store):
    for user in ("U1", "U2"):
        peer.user(user, profile={"display_name": user.lower()})
    people = People(account.api, store)
    assert await people.names("T1", {"U1", "U2", "U404"}) == {"U1": "u1", "U2": "u2"}


@pytest.mark.parametrize(
    ("fields", "answered"),
    [
        ({}, True),
        ({"is_restricted": True}, True),
        ({"is_bot": True}, False),
        ({"deleted": True}, False),
        ({"is_stranger": True, "team_id": "T9"}, False),
        ({"is_stranger": True, "team_id": "T1"}, True),
    ],
)
def test_colleagues_and_their_guests_are_answered(fields, answered):
    assert read_colleague(fields, "T1").is_answered is answered
