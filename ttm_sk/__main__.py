"""``python -m ttm_sk`` is ``ttm-sk``."""

import sys

from ttm_sk.cli import main

if __name__ == "__main__":
    sys.exit(main())
