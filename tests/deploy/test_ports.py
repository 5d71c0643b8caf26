"""Ports, against real sockets."""

import os
import socket

import pytest

from deploy.errors import PortInUse
from deploy.ports import assign, free_ports, holder, is_open, require_free


@pytest.fixture
def listener():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_free_ports_are_distinct_and_can_be_bound():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    require_free({f"port-{port}": port for port in ports})


def test_assign_gives_each_name_a_port():
    ports = assign(["a", "b"])
    assert list(ports) == ["a", "b"]
    assert ports["a"] != ports["b"]


def test_a_listening_port_is_open_and_its_holder_is_known(listener):
    assert is_open(listener)
    assert holder(listener).endswith(f"(pid {os.getpid()})")


def test_a_free_port_is_not_open():
    assert not is_open(free_ports(1)[0])


def test_a_clash_names_the_port_who_wants_it_who_holds_it_and_what_to_do(listener):
    free = free_ports(1)[0]
    with pytest.raises(PortInUse) as raised:
        require_free({"kafka": listener, "flink": free})
    message = str(raised.value)
    assert f"{listener} (wanted by kafka) is held by" in message
    assert f"pid {os.getpid()}" in message
    assert "--free-ports" in message
    assert str(free) not in message
