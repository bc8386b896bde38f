"""The demonstration: a simulated site, this controller, and a verdict by the simulator's truth."""
