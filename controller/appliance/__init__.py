"""The box itself: what systemd and the machine want of us."""
