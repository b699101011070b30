"""Setup: a first config, from an example or from what two stores have in common.

survey      the columns of a store, and a sample of its rows
server      the same of a PostgreSQL database
words       what columns are usually called
propose     which columns of two stores are the same field
document    a proposal as a commented config
examples    configs to start from; each is a file beside it
"""
