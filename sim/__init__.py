"""A whole charging site without hardware."""
