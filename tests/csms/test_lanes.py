"""Who may send next."""

import asyncio

import pytest

from controller.csms.lanes import Lane, Lanes


async def test_the_urgent_go_first_and_equals_in_order() -> None:
    lanes, order = Lanes(), []

    async def take(name: str, lane: Lane) -> None:
        async with lanes.turn(lane):
            order.append(name)

    async with asyncio.TaskGroup() as tasks, lanes.turn(Lane.REST):
        for name, lane in [("r1", Lane.REST), ("q1", Lane.QUEUE), ("f", Lane.FIRST), ("q2", Lane.QUEUE)]:
            tasks.create_task(take(name, lane))
            await asyncio.sleep(0)
    assert order == ["f", "q1", "q2", "r1"]


async def test_a_waiter_that_gives_up_does_not_hold_up_the_others() -> None:
    lanes, served = Lanes(), asyncio.Event()

    async def take(lane: Lane) -> None:
        async with lanes.turn(lane):
            served.set()

    async with lanes.turn(Lane.REST):
        gone = asyncio.create_task(take(Lane.FIRST))
        stays = asyncio.create_task(take(Lane.REST))
        await asyncio.sleep(0)
        gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await asyncio.wait_for(stays, 5)
    assert served.is_set()


async def test_a_turn_that_comes_with_the_cancellation_is_passed_on() -> None:
    lanes = Lanes()

    async def take() -> None:
        async with lanes.turn(Lane.REST):
            pass

    async with lanes.turn(Lane.REST):
        waiter = asyncio.create_task(take())
        await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    await asyncio.wait_for(take(), 5)


async def test_waiters_are_sent_away_when_the_connection_ends() -> None:
    lanes = Lanes()

    async def take() -> None:
        async with lanes.turn(Lane.REST):
            pass

    async with lanes.turn(Lane.REST):
        waiter = asyncio.create_task(take())
        await asyncio.sleep(0)
        lanes.send_away()
        with pytest.raises(ConnectionError):
            await waiter
    await asyncio.wait_for(take(), 5)
