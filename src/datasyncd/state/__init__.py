"""What is remembered: everything that must survive a crash, in one SQLite file."""
