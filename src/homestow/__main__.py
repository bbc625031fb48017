"""``python -m homestow`` is the ``homestow`` command."""

import sys

from homestow.cli import main

if __name__ == "__main__":
    sys.exit(main())
