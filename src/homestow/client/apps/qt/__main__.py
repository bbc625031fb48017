"""`python -m homestow.client.apps.qt`: the window alone, for the service that runs."""

import sys
from functools import partial

from homestow.client.apps.qt import starting
from homestow.client.apps.qt.app import Wishes, main

if __name__ == "__main__":
    sys.exit(main(partial(starting.connect), starting.launch, Wishes(launch_at_once="--start" in sys.argv)))
