"""``ttm-sk app``: the page on which a file is dropped, on this machine alone."""

from __future__ import annotations

import argparse
import contextlib
import webbrowser

from ttm_sk.app.server import serve
from ttm_sk.app.site import make_app
from ttm_sk.app.upload import MEBIBYTE
from ttm_sk.estimators.weights import open_weights

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Open the weights, serve, stop at Ctrl-C."""
    open_weights(arguments.model)  # what cannot be opened should be said here, not on the page
    app = make_app(
        model=arguments.model,
        device=arguments.device,
        upload_limit=arguments.upload_limit * MEBIBYTE,
        time_limit=arguments.time_limit,
    )

    def announce(address: str) -> None:
        print(f"open {address} in a browser; Ctrl-C stops it", flush=True)
        if arguments.open:
            webbrowser.open(address)

    with contextlib.suppress(KeyboardInterrupt):
        serve(app, port=arguments.port, announce=announce)
    return 0
