"""Redis streams: a stream of states, and the last one of each record beside it."""
