"""Rules of a device profile that concern more than one key, by subject."""
