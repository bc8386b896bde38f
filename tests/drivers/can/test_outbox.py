"""What waits for the bus: order, replacement, room."""

from drivers.can.frame import Frame
from drivers.can.outbox import Outbox, Priority, Waiting


def waiting(
    number: int, priority: Priority = Priority.READ, slot: str | None = None, expires_s: float = 9.0
) -> Waiting:
    return Waiting(Frame(number, b""), priority, expires_s, slot)


def taken(box: Outbox, now_s: float = 0.0) -> list[int]:
    ids = []
    while (item := box.take(now_s)) is not None:
        ids.append(item.frame.id)
    return ids


def test_the_urgent_goes_first_and_the_older_before_the_newer() -> None:
    box = Outbox(9)
    for number, priority in enumerate(
        [Priority.PROBE, Priority.READ, Priority.OFF, Priority.SETPOINT, Priority.OFF]
    ):
        assert box.put(waiting(number, priority))
    assert taken(box) == [2, 4, 3, 1, 0]


def test_the_newest_of_a_kind_keeps_the_place_of_the_first() -> None:
    box = Outbox(9)
    for number, slot in [(1, "a"), (2, "b"), (3, "a")]:
        box.put(waiting(number, slot=slot))
    assert len(box) == 2
    assert taken(box) == [3, 2]


def test_an_order_to_switch_off_takes_away_the_waiting_order_to_switch_on() -> None:
    box = Outbox(9)
    box.put(waiting(1, Priority.SETPOINT, "switch"))
    box.put(waiting(2, Priority.OFF, "switch"))
    assert taken(box) == [2]


def test_a_full_box_gives_way_to_the_urgent_only() -> None:
    box = Outbox(2)
    assert box.put(waiting(1, Priority.READ))
    assert box.put(waiting(2, Priority.PROBE))
    assert not box.put(waiting(3, Priority.PROBE))
    assert box.put(waiting(4, Priority.OFF))
    assert box.put(waiting(5, Priority.OFF))
    assert not box.put(waiting(6, Priority.OFF))
    assert taken(box) == [4, 5]
    assert box.pushed_out == 2


def test_what_is_too_late_is_not_sent() -> None:
    box = Outbox(2)
    box.put(waiting(1, expires_s=1.0))
    box.put(waiting(2, expires_s=3.0))
    assert taken(box, now_s=1.0) == [2]
    assert box.expired == 1


def test_what_could_not_be_sent_stays_the_first_of_its_class_but_not_of_all() -> None:
    box = Outbox(3)
    box.put(waiting(1))
    box.put(waiting(2))
    first = box.take(0.0)
    assert first is not None
    box.put_back(first)
    box.put(waiting(3, Priority.OFF))
    assert taken(box) == [3, 1, 2]
