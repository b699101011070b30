"""Tables of a PostgreSQL database as a system."""
