"""What the adapters of databases have in common."""
