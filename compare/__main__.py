"""`python -m tegum.compare` is the command `tegum`."""

from .commands import main

if __name__ == "__main__":
    main()
