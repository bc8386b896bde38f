"""What survives a power cut: SQLite with one writer thread, read-only readers, ledger, outbox, tokens, settings."""
