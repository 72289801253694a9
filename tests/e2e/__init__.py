"""The whole server, as a process, over real sockets and real stores."""
