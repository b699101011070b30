"""Control: how the `datasyncd` command asks the running daemon, over a Unix socket in its state folder.

    message    what is said: one JSON document a line each way, or a failure with its exit code
    address    where: `control.sock`, however long the path of the state folder is
    client     the asking side, which imports next to nothing
    server     the answering side

Who may ask is who may read the state: the daemon's own user, and root.
"""
