"""What a sync would write, on real data and without writing; and exactly that, carried out.

The cycle runs as it always does, over a copy of the state (`state.copy`) and with each system behind a `Recorder`,
which sends nothing and shows from then on what the system would hold.
"""
