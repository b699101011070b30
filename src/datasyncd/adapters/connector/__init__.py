"""What connectors have in common: programs of others that read or write a system, run as processes of their own."""
