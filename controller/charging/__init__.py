"""Sessions, authorisation and transactions. Pure: no I/O, no clock, no asyncio."""
