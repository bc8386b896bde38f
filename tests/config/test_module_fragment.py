"""What a search on a CAN bus found becomes tables of site.toml that the configuration takes."""

import tomllib
from collections.abc import Sequence

from controller.config.document import StackTable
from controller.config.fragment import Names
from controller.config.module_fragment import module_fragment
from drivers.can.frame import SocketCan
from drivers.can.module_profile import catalogue
from drivers.can.scan import Modules
from drivers.profile import builtin_folder

MODELS = catalogue(builtin_folder())
LINE = SocketCan("can0", 125_000)
INFY, UU = "infypower-v1.13", "uugreenpower-ur1000x0"


def tables(*found: Modules, taken: Sequence[str] = (), outlets: Sequence[str] = ()) -> tuple[list[StackTable], str]:
    text = "\n".join(module_fragment(found, "can-1", Names(taken), outlets=outlets))
    return [StackTable.model_validate(one) for one in tomllib.loads(text)["power_modules"]], text


def test_modules_of_two_models_are_stacks_of_the_bus_that_site_toml_has() -> None:
    found, text = tables(Modules(LINE, MODELS[INFY], (4, 5)), Modules(LINE, MODELS[UU], (4,)))
    assert [(one.id, one.profile, one.bus, one.addresses, one.evse) for one in found] == [
        ("stack-1", INFY, "can-1", (4, 5), "evse-1"),
        ("stack-2", UU, "can-1", (4,), "evse-2"),
    ]
    assert "[[buses]]" not in text


def test_ids_that_the_site_has_are_not_given_again_and_its_outlets_are_named() -> None:
    (one,), text = tables(Modules(LINE, MODELS[UU], (4,)), taken=["stack-1"], outlets=["DC1", "DC2"])
    assert (one.id, one.evse) == ("stack-2", "DC1")
    assert 'evse = "DC1"  # the outlet that they are wired to: DC1, DC2' in text


def test_more_modules_than_may_work_together_are_several_stacks() -> None:
    found, _ = tables(Modules(LINE, MODELS[INFY], tuple(range(6))))
    assert [one.addresses for one in found] == [(0, 1, 2, 3), (4, 5)]
