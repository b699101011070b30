"""Tables of an SQLite file as a system."""
