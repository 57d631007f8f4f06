"""The load tester and helm tester service that canary hooks call; it knows nothing of the operator."""
