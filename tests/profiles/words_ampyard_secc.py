"""What an SECC with the map of this project puts on the wire, worked out from firmware-profiles/README.md (R16)."""

from tests.profiles.words import HOLDING, Read, State, Write, read, words

AMPYARD_SECC: tuple[Read | Write | State, ...] = (
    read("status", (HOLDING, 0), "0002", 2),
    read("stage", (HOLDING, 1), "0003", 3),
    read("request", (HOLDING, 2), "0001", 1),
    read("insulation", (HOLDING, 3), "0002", 2),
    read("contactors", (HOLDING, 4), "0001", 1),
    read("alive", (HOLDING, 5), "FFFF", 65_535),
    # 4005 tenths of a volt; 16 000 would be 1600 V, which no vehicle asks for
    read("target_voltage", (HOLDING, 6), "0FA5", 400_500),
    read("target_voltage", (HOLDING, 6), "3E80", None),
    # 1203 tenths of an ampere
    read("target_current", (HOLDING, 7), "04B3", 120_300),
    read("target_current", (HOLDING, 7), "7531", None),
    read("voltage_dc", (HOLDING, 8), "0F93", 398_700),
    read("current_dc", (HOLDING, 9), "04AF", 119_900),
    # 12 345 678 Wh, high word first
    read("energy_import_total", (HOLDING, 10), "00BC 614E", 12_345_678),
    read("soc", (HOLDING, 12), "0037", 55_000),
    read("error_code", (HOLDING, 13), "0005", 5),
    read("rfid_tag", (HOLDING, 14), "3034 4131 4232 4333" + " 0000" * 6, "04A1B2C3"),
    read("plug_counter", (HOLDING, 24), "0011", 17),
    read("enable", (HOLDING, 40), "0001", 1),
    read("limit_power", (HOLDING, 41), "0BB8", 30_000),
    read("limit_voltage", (HOLDING, 42), "2710", 1_000_000),
    read("limit_current", (HOLDING, 43), "07D0", 200_000),
    read("delivered_voltage", (HOLDING, 44), "0F93", 398_700),
    read("delivered_current", (HOLDING, 45), "04AF", 119_900),
    read("comm_timeout", (HOLDING, 46), "000A", 10_000),
    read("heartbeat", (HOLDING, 47), "0001", 1),
    Write("enable", 40, 16, words("0001"), 1),
    Write("limit_power", 41, 16, words("0BB8"), 30_000),
    Write("limit_voltage", 42, 16, words("2710"), 1_000_000),
    Write("limit_current", 43, 16, words("07D0"), 200_000),
    Write("delivered_voltage", 44, 16, words("0F93"), 398_700),
    Write("delivered_current", 45, 16, words("04AF"), 119_900),
    Write("comm_timeout", 46, 16, words("000A"), 10_000),
    Write("heartbeat", 47, 16, words("0001"), 1),
    State(words("0000"), "A"),
    State(words("0001"), "B"),
    State(words("0002"), "C"),
    State(words("0003"), "D"),
    State(words("0004"), "E"),
    State(words("0005"), "F"),
)

VECTORS = {"ampyard-secc": AMPYARD_SECC}
