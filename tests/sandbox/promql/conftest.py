"""The comparison with real Prometheus runs where that is installed, and fails where it must be there and is not."""

import os
import shutil

PRESENT = all(map(shutil.which, ("prometheus", "promtool"))) or os.environ.get("GITOPS_CANARY_REQUIRE_REAL") == "1"
collect_ignore = [] if PRESENT else ["test_against_prometheus.py"]
