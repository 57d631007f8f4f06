"""The product's command line with every defect of `defects_*.py` asleep in it: `python -P defective.py SWITCH run …`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


def main(argv: list[str]) -> int:
    from gitops_canary.cli import main
    from tests.conformance.product import sleeping

    sleeping.plant(sleeping.table(), sleeping.Switch(Path(argv[1])), "operator")
    return main(argv[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
