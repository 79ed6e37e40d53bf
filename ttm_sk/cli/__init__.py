"""The command line, ``ttm-sk``: one file for each command, imported when it runs.

Exit codes: 0 done, 1 some work failed or is not finished, 2 bad input. What is wrong is one line on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ttm_sk.cli.output import is_first_process
from ttm_sk.cli.parser import make_parser
from ttm_sk.errors import TTMError

__all__ = ["main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Examples
    --------
    >>> main(["info", "no-such-model"])
    2
    """
    try:
        arguments = make_parser().parse_args(argv)
        return import_module(f"ttm_sk.cli.{arguments.command.replace('-', '_')}").run(arguments)
    except TTMError as error:
        return _fail(str(error), BAD_INPUT)
    except BrokenPipeError:  # whoever read our output (`| head`) has left; files are written before
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)


def _fail(message: str, code: int) -> int:
    if is_first_process():
        print(f"ttm-sk: error: {' '.join(message.split())}", file=sys.stderr)
    return code
