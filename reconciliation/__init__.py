"""The registry, which records are the same thing, and the record of who decided."""
