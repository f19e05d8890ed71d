"""What the tests of the gateway use, here too."""

from tests.gateway.conftest import serve, spawn

__all__ = ["serve", "spawn"]
