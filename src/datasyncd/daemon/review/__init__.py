"""Review: what people look at and decide. Each file is one noun; each function runs within one transaction.

conflicts    reports: concurrent values, refusals, and all else that somebody should look at
settle       what a person decides about them
explain      why a field has the value that it has, and who has acknowledged it
quarantine   records and fields that could not be read or written
guards       mass changes that are held
keys         finding a record by what a person knows of it
commands     these as commands, the same for the running daemon and for a state that no daemon uses
"""
