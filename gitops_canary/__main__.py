"""`python -m gitops_canary` is the command line."""

import sys

from gitops_canary.cli import main

if __name__ == "__main__":
    sys.exit(main())
