"""Sharing the site's capacity among the cars. Pure: integers in milliamperes, no I/O, no clock."""
