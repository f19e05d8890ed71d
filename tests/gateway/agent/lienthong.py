"""`lienthong …` as a module, for tests that start it with another interpreter's options or a preloaded library."""

from gateway.cli import main

if __name__ == "__main__":
    main()
