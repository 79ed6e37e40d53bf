"""The port: on the loopback interface, one's own, and given back. Nothing connects here."""

from __future__ import annotations

import socket

import app_pages  # noqa: F401 (without the extra, all of this is skipped)
import pytest

from ttm_sk.app import server
from ttm_sk.cli import main
from ttm_sk.errors import ConfigError


@pytest.fixture
def served(monkeypatch) -> list[tuple]:
    """What would have been served, with the address; Ctrl-C comes at once."""
    calls = []

    def run(self, sockets):
        calls.append((self.config, sockets[0].getsockname()))
        raise KeyboardInterrupt

    monkeypatch.setattr(server.uvicorn.Server, "run", run)
    return calls


def test_when_the_app_is_started_then_it_takes_a_port_of_the_loopback_interface_alone(served, capsys):
    assert main(["app", "--port", "0", "--upload-limit", "3"]) == 0
    [(settings, (host, port))] = served
    assert host == "127.0.0.1"
    assert f"open http://127.0.0.1:{port}/ in a browser" in capsys.readouterr().out
    assert settings.app._limit == 3 * 2**20


def test_when_open_is_asked_for_then_the_browser_opens_at_the_address(served, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["app", "--port", "0", "--open"]) == 0
    assert opened == [f"http://127.0.0.1:{served[0][1][1]}/"]


def test_when_the_port_is_taken_then_the_error_names_it_and_another(served, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["app", "--port", str(port)]) == 2
    assert f"port {port} is taken; give another one, for example --port" in capsys.readouterr().err
    assert not served


def test_when_serving_ends_then_the_port_is_given_back(served):
    with pytest.raises(KeyboardInterrupt):
        server.serve(None, port=0, announce=lambda _: None)
    [(_, (host, port))] = served
    with socket.socket() as again:
        again.bind((host, port))


def test_when_the_port_is_not_ours_then_the_reason_is_said(monkeypatch):
    def refuse(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(server.socket.socket, "bind", refuse)
    with pytest.raises(ConfigError, match=r"port 80 cannot be used \(Permission denied\)"):
        server.serve(None, port=80, announce=lambda _: None)


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--upload-limit", "0"], ["--model", "no-such-model"]])
def test_when_an_argument_is_bad_then_nothing_is_served(served, arguments):
    assert main(["app", *arguments]) == 2
    assert not served
