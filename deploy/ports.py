"""Ports on the loopback interface: free ones, clashes, and who holds one."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

import psutil

from deploy.errors import PortInUse

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Distinct ports that nothing listens on at this moment; all are held until the last is picked."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_open(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def holder(port: int) -> str:
    """The process listening on a port, as ``name (pid N)``, or a text if the system hides it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "a process that this user may not see"


def require_free(wanted: Mapping[str, int]) -> None:
    """Check that each named port can be bound on the loopback interface.

    Raises:
        PortInUse: naming every port that cannot, what wanted it and who holds it.
    """
    taken = [
        f"  {port} (wanted by {name}) is held by {holder(port)}" for name, port in wanted.items() if not _bindable(port)
    ]
    if taken:
        raise PortInUse(
            "ports of the stack are in use:\n" + "\n".join(taken) + "\n"
            "Stop what holds them, or start on free ports: `tidemark stack up --free-ports`."
        )


def assign(names: Iterable[str]) -> dict[str, int]:
    """One free port for each name."""
    names = list(names)
    return dict(zip(names, free_ports(len(names)), strict=True))


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of a server just stopped linger in TIME_WAIT; a server binding with this option is not hindered.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
