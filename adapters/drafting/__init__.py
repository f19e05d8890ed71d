"""A dialect drafted from a sample: every guess with its evidence, for a person to confirm. Never used in production."""
