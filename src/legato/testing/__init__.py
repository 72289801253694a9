"""Fakes and fixtures that are part of the product: a real server on a free port, and what stands around one.

::

    ca.Authority              a throw-away certificate authority, for clients that insist on https
    databases.Databases       databases that have their schema already
    names.Names               a resolver that answers what a test says
    ports.free_port           a port that nobody else is given
    postgres.Cluster          a throw-away PostgreSQL on a free port
    server.Server             the server as a process, with an application and users of its own
    session.Session           a client session that keeps what it heard, to the byte
    tokens.Signer             tokens, right and wrong
    waiting.until             wait for a condition instead of for a time

Nothing of the server imports this room.
"""
