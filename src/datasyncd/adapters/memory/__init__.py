"""A system in memory, whose promises and faults are chosen: for tests and for the simulation."""
