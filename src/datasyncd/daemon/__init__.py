"""When things happen: the loop that pulls, reconciles, commits and pushes, and the ways to watch and steer it."""
