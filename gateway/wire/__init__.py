"""Protobuf ◄─► the values of the model: the only place that knows both. One file a service."""
