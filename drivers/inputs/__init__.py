"""Digital inputs of the machine itself: value files and lines of GPIO chips."""
