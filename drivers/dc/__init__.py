"""DC outlets: an SECC that asks, power modules that deliver, contactors that join them."""
