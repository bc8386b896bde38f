"""What pydantic says of a value, in words for an electrician."""

import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.fault_words import PATTERNS, in_words
from drivers.profile_numbers import Name
from drivers.profile_schema import Identity


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    parity: Literal["N", "E", "O", "even-ish"] = "N"
    baud: Annotated[int, Field(ge=300, le=4000)] = 300
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    on: bool = False
    name: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    word: Annotated[str, Field(pattern=r"^[xy]+$")] = "x"
    id: Name = "a"
    many: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("parity", "even", "must be 'N', 'E', 'O' or 'even-ish', not 'even'; did you mean `even-ish`?"),
        ("parity", 7, "must be 'N', 'E', 'O' or 'even-ish', not 7"),
        ("baud", "9600", "must be a whole number, without quotes"),
        ("baud", 7, "must be at least 300, not 7"),
        ("baud", 9600, "must be at most 4000, not 9600"),
        ("share", 0.0, "must be above 0, not 0.0"),
        ("share", 1.0, "must be below 1, not 1.0"),
        ("baud", 9600.5, "must be a whole number, not 9600.5"),
        ("baud", True, "must be a whole number, not true"),
        ("on", 1, "must be true or false, not 1"),
        ("on", "yes", "must be true or false, without quotes"),
        ("name", 1, "must be a text in quotes"),
        ("name", "", "must not be empty"),
        ("name", "abcd", "must have at most 3 characters, not 'abcd'"),
        ("word", "z", "must be of the form ^[xy]+$, not 'z'"),
        ("word", "z" * 99, "must be of the form ^[xy]+$"),
        ("id", "My Box", "must be a name of small letters, digits and _, and begin with a letter, not 'My Box'"),
        ("many", (), "must have at least one entry"),
    ],
)
def test_a_fault_says_what_to_write_and_what_stands_there(key: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Form.model_validate({key: value})
    assert [in_words(fault) for fault in refused.value.errors()] == [said]


def test_the_forms_of_names_in_a_device_profile_are_told_in_words() -> None:
    for model in (Identity, Form):
        for field in model.model_fields.values():
            forms = re.findall(r"pattern='([^']+)'", repr(field.metadata))
            assert set(forms) - {r"^[xy]+$"} <= PATTERNS.keys()
