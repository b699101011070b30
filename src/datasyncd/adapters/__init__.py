"""How each system speaks: one contract, the translation of records, and the built-in systems."""
