"""What the systems that are files share: reading whole, rewriting at once, watching, locking."""
