"""How the gateway is seen: traces, metrics and logs, none of which ever holds personal data.

The lowest layer: it imports nothing of the project. `vocabulary` says which fields may leave the process and what
each may look like; `telemetry`, `metrics` and `logs` let nothing else through.
"""
