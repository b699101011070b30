"""What the adapters of database servers have in common."""
