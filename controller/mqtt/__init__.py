"""The MQTT edge: limits from outside by topic."""
