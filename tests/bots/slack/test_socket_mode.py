"""Socket Mode: no event is lost when connections end in any way."""

import asyncio

from staff import answer_in, finished, nothing_left


async def test_events_come_over_several_connections(office, peer, bot):
    async with office.open(bot, sockets=True, slack={"connections": 3}):
        await peer.wait_for(lambda: len(peer.sockets.of(bot)) == 3)
        for user in ("U1", "U2", "U3"):
            assert (await peer.message("怎么退货", user=user)).acked
        await answer_in(peer, count=3)
    assert sum(bool(c.sent) for c in peer.sockets.open) == 0
    assert peer.sockets.opened == 3


async def test_a_command_is_acknowledged_with_its_echo(office, peer, bot):
    async with office.open(bot, sockets=True):
        delivery = await peer.command("/xiaoq", "怎么退货")
        assert delivery.acked
        assert "怎么退货" in delivery.answer["text"]
        await peer.wait_for(lambda: len(peer.ephemerals) == 2)


async def test_a_refreshed_connection_is_replaced_before_it_is_gone(office, peer, bot):
    async with office.open(bot, sockets=True) as house:
        await peer.wait_for(lambda: len(peer.sockets.of(bot)) == 2)
        await peer.sockets.refresh(bot)
        deliveries = await asyncio.gather(
            *(peer.message("怎么退货", user=f"U{n}") for n in range(10))
        )
        assert all(delivery.acked for delivery in deliveries)
        await answer_in(peer, count=10)
        await nothing_left(house)
    assert len(finished(peer)) == 10
    assert not [try_ for d in deliveries for try_ in d.tries if try_.reason]


async def test_connections_that_break_lose_nothing_and_double_nothing(office, peer, bot):
    async with office.open(bot, sockets=True) as house:
        await peer.wait_for(lambda: len(peer.sockets.of(bot)) == 2)
        bringing = [asyncio.create_task(peer.message("怎么退货", user=f"U{n}")) for n in range(20)]
        await peer.wait_for(lambda: finished(peer))
        peer.sockets.drop(bot)
        deliveries = await asyncio.gather(*bringing)
        assert all(delivery.acked for delivery in deliveries)
        await answer_in(peer, count=20)
        await nothing_left(house)
    assert len(finished(peer)) == 20


async def test_a_slack_that_was_away_is_heard_again(office, peer, bot):
    async with office.open(bot, sockets=True) as house:
        await peer.wait_for(lambda: len(peer.sockets.of(bot)) == 2)
        peer.down()
        await _until(lambda: not _part(house))
        peer.up()
        assert (await peer.message("怎么退货")).acked
        await answer_in(peer)
    assert len(finished(peer)) == 1


async def test_without_room_nothing_is_acknowledged(office, peer, bot, model):
    peer.ack_seconds = 0.2
    peer.retry_delays = ()
    async with office.open(
        bot, sockets=True, inbox={"lane_length": 1, "lease_seconds": 2}
    ) as house:
        await house.store.set("xq:{0}:backlog", 10**9)
        await house.store.set("xq:{1}:backlog", 10**9)
        assert not (await peer.message("怎么退货")).acked


def _part(house):
    return not house.ears[0]._fault


async def _until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
