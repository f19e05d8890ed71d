"""What every test may use: a real PostgreSQL, started once; golden files; fixed seeds."""

pytest_plugins = ["tests.database", "tests.golden"]
