"""What holds for every test: no network, one thread, the same random numbers, GPU tests only where there is a GPU."""

from __future__ import annotations

import ipaddress
import random
import sys

import numpy as np
import pytest
import torch


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket's path
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (arguments[0] or "", 0)
    else:
        return
    if address is not None and not _is_local(address):
        raise RuntimeError(f"a test reached for the network: {event} {address}; tests run offline")


sys.addaudithook(_refuse_network)  # below every library, and for the whole run


torch.set_num_threads(1)  # small tensors, and often several runs on one machine


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)  # the global state, which third parties draw from
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
