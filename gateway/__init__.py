"""Every door: provincial systems and registries by gRPC, people by a terminal."""
