"""DC outlets: communication controllers, their EVs, and the power modules that feed them through contactors."""
