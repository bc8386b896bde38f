"""R27 as a pure decision."""

from controller.csms.patience import Cause, Failure, Patience, Terms

TERMS = Terms(attempts=3, interval_s=60)


def failure(seq: int, attempts: int, cause: Cause = Cause.CSMS, transaction: str | None = None) -> Failure:
    return Failure(seq, transaction or f"t{seq}", attempts, cause, "why")


def test_e13_fr_03_the_wait_grows_with_each_transmission() -> None:
    patience = Patience()
    assert not patience.failed(failure(1, 1, Cause.MESSAGE), TERMS, 1000)
    assert patience.next_s(1000) == 60
    assert not patience.failed(failure(1, 2, Cause.MESSAGE), TERMS, 1060)
    assert patience.next_s(1060) == 120


def test_r27_an_error_about_the_message_parks_it_after_its_attempts() -> None:
    patience = Patience()
    verdicts = [patience.failed(failure(1, tries, Cause.MESSAGE), TERMS, 0) for tries in (1, 2, 3)]
    assert verdicts == [False, False, True]


def test_r27_three_different_messages_make_the_csms_sick_and_nothing_is_parked() -> None:
    patience = Patience()
    for seq in (1, 2):
        assert not patience.failed(failure(seq, 3), TERMS, 0)
    parked = patience.failed(failure(3, 1), TERMS, 0)
    assert not parked
    assert patience.pause_until_s == 60
    assert patience.aside == {}
    assert patience.succeeded(1) == []
    assert patience.pause_until_s == 0


def test_r27_a_pause_doubles_and_has_an_end() -> None:
    patience = Patience()
    for seq in range(3):
        patience.failed(failure(seq, 1), TERMS, 0)
    pauses = []
    for _ in range(6):
        patience.failed(failure(0, 9), TERMS, 0)
        pauses.append(patience.pause_until_s)
    assert pauses == [120, 240, 480, 600, 600, 600]


def test_r27_one_message_failing_again_and_again_is_not_three() -> None:
    patience = Patience()
    for attempts in range(1, 8):
        assert not patience.failed(failure(1, attempts), TERMS, 0)
    assert not patience.sick
    assert list(patience.aside) == [1]


def test_r27_a_message_is_convicted_by_the_success_of_another() -> None:
    patience = Patience()
    for attempts in (1, 2, 3):
        patience.failed(failure(1, attempts), TERMS, 0)
    assert [each.seq for each in patience.succeeded(2)] == [1]
    assert patience.aside == {}
    assert patience.skip(0) == set()


def test_r27_its_own_late_success_acquits_a_message() -> None:
    patience = Patience()
    for attempts in (1, 2, 3):
        patience.failed(failure(1, attempts), TERMS, 0)
    assert patience.succeeded(1) == []


def test_r27_attempts_during_a_sickness_are_forgiven() -> None:
    patience = Patience()
    for seq in (1, 2, 3):
        patience.failed(failure(seq, 3), TERMS, 0)
    patience.succeeded(2)
    patience.failed(failure(1, 4), TERMS, 0)
    assert patience.aside == {}, "its first failure since the CSMS is well"


def test_r27_in_16_the_queue_waits_at_most_attempts_times_interval() -> None:
    patience = Patience()
    waited = 0.0
    for attempts in (1, 2, 3):
        patience.failed(failure(1, attempts), TERMS, waited)
        waited += patience.waits_s(waited)
    assert waited == 180
    assert patience.waits_s(waited) == 0
    assert patience.skip(waited) == {"t1"}
