"""Simulated DC power modules on a simulated CAN bus, served over socketcand and slcan."""
