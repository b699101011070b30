"""The example that `make run` runs: three systems of one shop in `var/`, and the daemon that keeps them in step.

stores      the three stores: made of what lies in `data`, counted, thrown away
follow      the daemon as a child process, watched until everything is in step, and stopped with us
steps       what to try next, as commands to copy
"""
