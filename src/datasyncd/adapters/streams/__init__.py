"""What streams have in common: the last message of a key is what its record is."""
