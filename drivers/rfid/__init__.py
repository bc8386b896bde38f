"""Readers of ID tokens at a serial port."""
