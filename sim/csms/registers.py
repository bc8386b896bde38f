"""Energy registers in meter values; 2.0.1 and 1.6 write them differently."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

REGISTER = "Energy.Active.Import.Register"
BEYOND_BELIEF_WH = 10**15
BEGIN, END = "Transaction.Begin", "Transaction.End"


def plain(value: Decimal) -> int | float:
    """A whole number where it is one."""
    return int(value) if value == value.to_integral_value() else float(value)


def _wh(sample: dict[str, Any]) -> Decimal | None:
    unit = sample.get("unitOfMeasure", {"unit": sample.get("unit", "Wh")})
    try:
        value = Decimal(str(sample.get("value"))).scaleb(unit.get("multiplier", 0))
        credible = abs(value) < BEYOND_BELIEF_WH
    except ArithmeticError:
        return None
    if not credible:
        return None
    return value * 1000 if unit.get("unit", "Wh") == "kWh" else value


def registers(payload: dict[str, Any]) -> Iterator[tuple[str, Decimal]]:
    """(context, Wh) of every total energy register in a payload, in order; phases are left out."""
    for meter_value in payload.get("meterValue", []):
        for sample in meter_value.get("sampledValue", []):
            value = _wh(sample)
            total = sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample
            if total and value is not None:
                yield sample.get("context", "Sample.Periodic"), value
