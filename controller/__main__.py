"""`python -m controller` and the command `ampyard`."""

from controller.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
