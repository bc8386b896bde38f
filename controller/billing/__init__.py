"""The evidence of what was charged: ledger records, their chain and their stored form. Pure: no I/O, no clock."""
