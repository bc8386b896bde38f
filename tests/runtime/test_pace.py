"""How closely prompted cycles follow each other."""

from controller.runtime.pace import Pace


def test_the_first_few_follow_at_once_and_the_others_one_by_one() -> None:
    pace, now_s, begun = Pace(apart_s=0.1, burst=3), 100.0, []
    for _ in range(6):
        now_s += pace.wait_s(now_s)
        pace.took(now_s)
        begun.append(round(now_s - 100.0, 6))
    assert begun == [0.0, 0.0, 0.0, 0.1, 0.2, 0.3]


def test_what_was_not_used_is_saved_up_again_but_no_more_than_at_first() -> None:
    pace = Pace(apart_s=0.1, burst=2)
    for _ in range(2):
        pace.took(5.0)
    assert round(pace.wait_s(5.0), 6) == 0.1
    assert pace.wait_s(5.1) == 0.0
    pace.took(900.0)
    pace.took(900.0)
    assert round(pace.wait_s(900.0), 6) == 0.1
