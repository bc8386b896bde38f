"""The protocols of power modules: orders to frames, frames to what a module tells. No I/O, no state."""
