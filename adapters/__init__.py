"""A source's rows to canonical columns. Pure: bytes and tables in, tables out; no network, clock or database."""
