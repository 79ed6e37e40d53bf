"""``ttm-sk gift-eval``: one file for each action, imported when it runs."""

from __future__ import annotations

import argparse
from importlib import import_module

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    return import_module(f"ttm_sk.cli.gift_eval_{arguments.action.replace('-', '_')}").run(arguments)
