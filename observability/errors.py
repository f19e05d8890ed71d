"""What can go wrong in being seen. Only the start can fail; later on telemetry is dropped and counted."""


class ObservabilityError(Exception):
    """Base of all."""


class FatalObservabilityError(ObservabilityError):
    """A setting cannot be honoured (trace file not writable, port taken): an operator has to change it."""
