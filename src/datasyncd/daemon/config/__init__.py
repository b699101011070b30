"""The config file: one TOML text made into typed, checked values, and compiled to what the reconciler reads.

    find(...)           which file it is                                  load
    load(path)          the file as a `Config`, or all that is wrong      load, tables, references, credentials
    consistency(...)    what `check` says beyond that                     consistency
    compile_rules(...)  the rules of each entity for the reconciler       compile

The words of the file stand in `grammar` and `fields`; expressions such as `where` in `expressions`.
"""
