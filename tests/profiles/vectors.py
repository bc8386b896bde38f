"""What each device puts on the wire, worked out by hand and apart from the device profiles (R16).

Addresses are repeated here on purpose. A current is in mA, a voltage in mV, power in W, energy in Wh, time in ms,
all else raw. The words are those of the wire, in the order in which they arrive; values are chosen so that a
wrong scale, word order, sign, address or table shows.
"""

from tests.profiles import (
    words_abb_to_hesotec,
    words_acrel_to_finder,
    words_ampyard_secc,
    words_hager_to_sunspec,
    words_innogy_to_obo,
    words_phoenix_to_weidmueller,
)
from tests.profiles.words import HOLDING, INPUT, Read, State, Write, read, words

KEBA = (
    read("status", (HOLDING, 1000), "0000 0003", 3),
    read("plug", (HOLDING, 1004), "0000 0007", 7),
    read("error_code", (HOLDING, 1006), "0001 0002", 65538),
    read("current_l1", (HOLDING, 1008), "0000 3E7E", 15_998),
    read("current_l2", (HOLDING, 1010), "0000 1770", 6_000),
    read("current_l3", (HOLDING, 1012), "0000 F618", 63_000),
    # 11 040 123 mW
    read("active_power_total", (HOLDING, 1020), "00A8 757B", 11_040),
    # 1 234 560 tenths of a Wh
    read("energy_import_total", (HOLDING, 1036), "0012 D680", 123_456),
    read("voltage_l1", (HOLDING, 1040), "0000 00E6", 230_000),
    read("voltage_l2", (HOLDING, 1042), "0000 00E5", 229_000),
    read("voltage_l3", (HOLDING, 1044), "0000 00E7", 231_000),
    read("product_code", (HOLDING, 1016), "0004 A189", 303_497),
    read("current_limit_readback", (HOLDING, 1100), "0000 32C8", 13_000),
    read("rfid_tag", (HOLDING, 1500), "04A1 B2C3", "04A1B2C3"),
    read("failsafe_current_readback", (HOLDING, 1600), "0000 1770", 6_000),
    read("comm_timeout_readback", (HOLDING, 1602), "0000 001E", 30_000),
    Write("current_limit", 5004, 6, words("32C8"), 13_000),
    Write("unlock", 5012, 6, words("0000"), 0),
    Write("enable", 5014, 6, words("0001"), 1),
    Write("failsafe_current", 5016, 6, words("1770"), 6_000),
    Write("comm_timeout", 5018, 6, words("001E"), 30_000),
    State(words("0000 0000"), "starting", words("0000 0000")),
    State(words("0000 0001"), "A", words("0000 0001")),
    State(words("0000 0001"), "B", words("0000 0007")),
    State(words("0000 0002"), "A", words("0000 0003")),
    State(words("0000 0002"), "B", words("0000 0005")),
    State(words("0000 0003"), "C", words("0000 0007")),
    State(words("0000 0004"), "F", words("0000 0007")),
    State(words("0000 0005"), "B", words("0000 0007")),
)

# Charging point n lies at n * 1000.
CHARX = (
    read("voltage_l1", (HOLDING, 1232), "0003 81A8", 229_800),
    read("voltage_l2", (HOLDING, 1234), "0003 89DC", 231_900),
    read("voltage_l3", (HOLDING, 1236), "0003 89DC", 231_900),
    read("current_l1", (HOLDING, 1238), "0000 3E7E", 15_998),
    read("current_l1", (HOLDING, 1238), "FFFF FFFF", -1),
    read("current_l2", (HOLDING, 1240), "FFFF EC78", -5_000),
    read("current_l3", (HOLDING, 1242), "FFFF C086", -16_250),
    # 7 360 000 mW, and the same fed back
    read("active_power_total", (HOLDING, 1244), "0070 4E00", 7_360),
    read("active_power_total", (HOLDING, 1244), "FF8F B200", -7_360),
    read("energy_import_total", (HOLDING, 1250), "0000 001C BE99 1A14", 123_456_789_012),
    read("energy_import_total", (HOLDING, 1250), "FFFF FFFF FFFF FFFF", None),
    read("rfid_tag", (HOLDING, 1275), "3034 4131 4232 4333" + " 0000" * 6, "04A1B2C3"),
    read("status", (HOLDING, 1299), "4332", "C2"),
    read("enable", (HOLDING, 1300), "0001", 1),
    read("current_limit", (HOLDING, 1301), "000D", 13_000),
    read("device_name", (HOLDING, 100), "4142" + " 0000" * 9, "AB"),
    read("current_l1", (HOLDING, 12238), "0000 3E7E", 15_998, outlet=12),
    read("status", (HOLDING, 2299), "4231", "B1", outlet=2),
    read("device_name", (HOLDING, 100), "4142" + " 0000" * 9, "AB", outlet=2),
    Write("enable", 1300, 16, words("0001"), 1),
    Write("current_limit", 1301, 16, words("000D"), 13_000),
    Write("current_limit", 3301, 16, words("0050"), 80_000, outlet=3),
    State(words("4131"), "A"),
    State(words("4232"), "B"),
    State(words("4332"), "C"),
    State(words("4432"), "D"),
    State(words("4530"), "E"),
    State(words("4630"), "F"),
)

# The Heidelberg map; the Amperfied has the same and a card reader.
HEIDELBERG = (
    read("status", (INPUT, 5), "0007", 7),
    read("current_l1", (INPUT, 6), "00A0", 16_000),
    read("current_l2", (INPUT, 7), "003D", 6_100),
    read("current_l3", (INPUT, 8), "0082", 13_000),
    read("voltage_l1", (INPUT, 10), "00E6", 230_000),
    read("voltage_l2", (INPUT, 11), "00E5", 229_000),
    read("voltage_l3", (INPUT, 12), "00E7", 231_000),
    read("active_power_total", (INPUT, 14), "2B20", 11_040),
    # 1 234 567 Wh
    read("energy_import_total", (INPUT, 17), "0012 D687", 1_234_567),
    read("comm_timeout", (HOLDING, 257), "3A98", 15_000),
    read("current_limit", (HOLDING, 261), "0082", 13_000),
    read("failsafe_current", (HOLDING, 262), "003C", 6_000),
    read("standby_control", (HOLDING, 258), "0004", 4),
    Write("comm_timeout", 257, 16, words("3A98"), 15_000),
    Write("standby_control", 258, 16, words("0004"), 4),
    Write("current_limit", 261, 16, words("0082"), 13_000),
    Write("failsafe_current", 262, 16, words("003C"), 6_000),
    State(words("0002"), "A"),
    State(words("0003"), "A"),
    State(words("0004"), "B"),
    State(words("0005"), "B"),
    State(words("0006"), "C"),
    State(words("0007"), "C"),
    State(words("0008"), "C"),
    State(words("0009"), "E"),
    State(words("000A"), "F"),
    State(words("000B"), "F"),
)
AMPERFIED = (
    *HEIDELBERG,
    read("rfid_tag", (INPUT, 2002), "04A1 B2C3 D4E5 F600 0000 0000", "04A1B2C3D4E5F60000000000"),
)

EVSE_WB = (
    read("current_limit", (HOLDING, 1000), "000D", 13_000),
    # 13 A in hundredths, from a board with bit 7 of register 2005 set
    read("current_limit", (HOLDING, 1000), "0514", None),
    read("current_signalled", (HOLDING, 1001), "0010", 16_000),
    read("status", (HOLDING, 1002), "0003", 3),
    Write("current_limit", 1000, 16, words("000D"), 13_000),
    State(words("0001"), "A"),
    State(words("0002"), "B"),
    State(words("0003"), "C"),
    State(words("0004"), "D"),
    State(words("0005"), "E"),
)

WEBASTO = (
    read("status", (HOLDING, 1000), "0003", 3),
    read("plug", (HOLDING, 1004), "0002", 2),
    read("error_code", (HOLDING, 1006), "0009", 9),
    read("current_l1", (HOLDING, 1008), "3E7E", 15_998),
    read("current_l2", (HOLDING, 1010), "7D00", 32_000),
    read("current_l3", (HOLDING, 1012), "1770", 6_000),
    # 22 080 W, and 70 000 W that no such charger can draw
    read("active_power_total", (HOLDING, 1020), "0000 5640", 22_080),
    read("active_power_total", (HOLDING, 1020), "0001 1170", None),
    read("energy_import_total", (HOLDING, 1036), "0012 D687", 1_234_567),
    read("rfid_tag", (HOLDING, 1600), "3034 4131 4232 4333" + " 0000" * 6, "04A1B2C3"),
    read("failsafe_current", (HOLDING, 2000), "0006", 6_000),
    read("comm_timeout", (HOLDING, 2002), "001E", 30_000),
    read("heartbeat", (HOLDING, 6000), "0001", 1),
    Write("failsafe_current", 2000, 16, words("0006"), 6_000),
    Write("comm_timeout", 2002, 16, words("001E"), 30_000),
    Write("current_limit", 5004, 16, words("000D"), 13_000),
    Write("heartbeat", 6000, 6, words("0001"), 1),
    State(words("0000"), "A"),
    State(words("0001"), "B"),
    State(words("0003"), "C"),
    State(words("0004"), "B"),
    State(words("0007"), "F"),
)

# float32: 230.0 = 4366 0000, 16.0 = 4180 0000, -13.5 = C158 0000, -3105.0 = C542 1000
EASTRON = (
    read("voltage_l1", (INPUT, 0), "4366 0000", 230_000),
    read("voltage_l2", (INPUT, 2), "4365 8000", 229_500),
    read("voltage_l3", (INPUT, 4), "4367 4000", 231_250),
    read("current_l1", (INPUT, 6), "4180 0000", 16_000),
    read("current_l2", (INPUT, 8), "40C8 0000", 6_250),
    read("current_l3", (INPUT, 10), "C158 0000", -13_500),
    read("active_power_l1", (INPUT, 12), "4566 0000", 3_680),
    read("active_power_l2", (INPUT, 14), "44FB 8000", 2_012),
    read("active_power_l3", (INPUT, 16), "C542 1000", -3_105),
    read("active_power_total", (INPUT, 52), "C4BB 8000", -1_500),
    # 1234.5 kWh and 12.25 kWh
    read("energy_import_total", (INPUT, 72), "449A 5000", 1_234_500),
    read("energy_export_total", (INPUT, 74), "4144 0000", 12_250),
    read("frequency", (INPUT, 70), "4248 0000", 50_000),
    # not a number
    read("current_l1", (INPUT, 6), "7FC0 0000", None),
    # infinite
    read("voltage_l1", (INPUT, 0), "7F80 0000", None),
)

EM340 = (
    read("voltage_l1", (INPUT, 0), "08FC 0000", 230_000),
    read("voltage_l2", (INPUT, 2), "08F7 0000", 229_500),
    read("voltage_l3", (INPUT, 4), "0909 0000", 231_300),
    read("current_l1", (INPUT, 12), "3E7E 0000", 15_998),
    read("current_l1", (INPUT, 12), "FFFF FFFF", -1),
    read("current_l2", (INPUT, 14), "EC78 FFFF", -5_000),
    read("current_l3", (INPUT, 16), "C086 FFFF", -16_250),
    # 36 800 tenths of a W; -2300 tenths; 1 234 560 tenths
    read("active_power_l1", (INPUT, 18), "8FC0 0000", 3_680),
    read("active_power_l1", (INPUT, 18), "F704 FFFF", -230),
    read("active_power_l2", (INPUT, 20), "F704 FFFF", -230),
    read("active_power_l3", (INPUT, 22), "D680 0012", 123_456),
    read("active_power_l3", (INPUT, 22), "3EC8 FFFE", -11_500),
    read("active_power_total", (INPUT, 40), "3EC8 FFFE", -11_500),
    read("frequency", (INPUT, 51), "01F4", 50_000),
    # 1 234 567 tenths of a kWh
    read("energy_import_total", (INPUT, 52), "D687 0012", 123_456_700),
    read("energy_import_total", (INPUT, 52), "D687 FFFF", None),
    read("energy_export_total", (INPUT, 78), "007B 0000", 12_300),
    read("energy_export_total", (INPUT, 78), "007B FFFF", None),
)

# u32 and u64 with all bits set, s32 at its highest: not available
ABB = (
    read("voltage_l1", (HOLDING, 0x5B00), "0000 08FC", 230_000),
    read("voltage_l2", (HOLDING, 0x5B02), "0000 08F7", 229_500),
    read("voltage_l3", (HOLDING, 0x5B04), "0000 0909", 231_300),
    read("current_l1", (HOLDING, 0x5B0C), "0000 0640", 16_000),
    read("current_l2", (HOLDING, 0x5B0E), "0000 0271", 6_250),
    read("current_l3", (HOLDING, 0x5B10), "0001 86A0", 1_000_000),
    # -115 000 hundredths of a W, and so on
    read("active_power_total", (HOLDING, 0x5B14), "FFFE 3EC8", -1_150),
    read("active_power_l1", (HOLDING, 0x5B16), "0005 9D80", 3_680),
    read("active_power_l1", (HOLDING, 0x5B16), "FFFE 3EC8", -1_150),
    read("active_power_l2", (HOLDING, 0x5B18), "FFFF EC78", -50),
    read("active_power_l3", (HOLDING, 0x5B1A), "0012 D680", 12_346),
    read("active_power_l3", (HOLDING, 0x5B1A), "FFFF EC78", -50),
    read("frequency", (HOLDING, 0x5B2C), "1388", 50_000),
    # 12 345 678 901 hundredths of a kWh; 1 234 567 of them
    read("energy_import_total", (HOLDING, 0x5000), "0000 0002 DFDC 1C35", 123_456_789_010),
    read("energy_export_total", (HOLDING, 0x5004), "0000 0000 0012 D687", 12_345_670),
    read("current_l2", (HOLDING, 0x5B0E), "FFFF FFFF", None),
    read("voltage_l2", (HOLDING, 0x5B02), "FFFF FFFF", None),
    read("active_power_l2", (HOLDING, 0x5B18), "7FFF FFFF", None),
    read("energy_export_total", (HOLDING, 0x5004), "FFFF FFFF FFFF FFFF", None),
)

JANITZA = (
    read("voltage_l1", (HOLDING, 19000), "4366 0000", 230_000),
    read("voltage_l2", (HOLDING, 19002), "4365 8000", 229_500),
    read("voltage_l3", (HOLDING, 19004), "4367 4000", 231_250),
    read("current_l1", (HOLDING, 19012), "4180 0000", 16_000),
    read("current_l2", (HOLDING, 19014), "40C8 0000", 6_250),
    read("current_l3", (HOLDING, 19016), "C158 0000", -13_500),
    read("active_power_l1", (HOLDING, 19020), "4566 0000", 3_680),
    read("active_power_l2", (HOLDING, 19022), "C4BB 8000", -1_500),
    read("active_power_l3", (HOLDING, 19024), "C542 1000", -3_105),
    read("active_power_total", (HOLDING, 19026), "4566 0000", 3_680),
    read("frequency", (HOLDING, 19050), "4248 0000", 50_000),
    # 98 765 432 Wh needs 27 bits; the nearest float32 is the same number
    read("energy_import_total", (HOLDING, 19068), "4CBC 614F", 98_765_432),
    read("energy_export_total", (HOLDING, 19076), "449A 4000", 1_234),
    read("current_l1", (HOLDING, 19012), "7FC0 0000", None),
)

VECTORS: dict[str, tuple[Read | Write | State, ...]] = {
    **words_abb_to_hesotec.VECTORS,
    **words_innogy_to_obo.VECTORS,
    **words_phoenix_to_weidmueller.VECTORS,
    **words_acrel_to_finder.VECTORS,
    **words_hager_to_sunspec.VECTORS,
    **words_ampyard_secc.VECTORS,
    "keba-p30": KEBA,
    "phoenix-charx-sec": CHARX,
    "heidelberg-energy-control": HEIDELBERG,
    "amperfied-connect": AMPERFIED,
    "evse-wb-din": EVSE_WB,
    "webasto-next": WEBASTO,
    "eastron-sdm630-v2": EASTRON,
    "eastron-sdm72d-m-v2": EASTRON,
    "carlo-gavazzi-em340": EM340,
    "abb-b23-b24": ABB,
    "janitza-umg96": JANITZA,
}
