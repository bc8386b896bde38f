"""Modbus RTU and TCP: strict links, one scheduler per wire, chargers and meters described by device profiles."""
