"""A field-bus library for charge controllers, meters and RFID readers."""
