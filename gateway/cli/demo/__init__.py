"""`lienthong demo`: the main job, whole and real, with made-up people of three merged provinces."""

from gateway.cli.demo.command import command

__all__ = ["command"]
