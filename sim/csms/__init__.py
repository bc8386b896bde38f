"""A simulated CSMS and the network in front of it."""
