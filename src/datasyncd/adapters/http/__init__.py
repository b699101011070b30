"""What systems that are reached over HTTP have in common: requests sent once, addresses, and patience."""
