"""The deterministic simulation: the real cycle, core and state against systems that misbehave, in virtual time.

scheduler   runs coroutines in virtual time, in an order that a seed decides
systems     what the simulated systems promise and do
people      who edits what, when, having seen what
oracle      what must hold at the end: it knows every edit, and never looks at the daemon's contexts
story       a history told line by line, for a seed that fails
states      where the daemon's memory is kept, and what of it a process that dies leaves
history     one seed: everything put together, crashes included
situations  what a run must have met to prove anything
runner      many histories, on one core or on several
shrink      the least of a history in which the same property still breaks
"""
