"""``python -m fastcheck``."""

import sys

from fastcheck.cli import main

sys.exit(main())
