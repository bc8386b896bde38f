"""The page and the JSON surface of the box, for installers, operators and monitoring."""
