"""Tables of a DuckDB file as a system."""
