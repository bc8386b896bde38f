"""CAN: one owner per bus, DC power modules behind it. The controller does not use this package yet."""
