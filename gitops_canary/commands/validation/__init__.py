"""The parts of `gitops-canary validate`: reading and rendering, schemas, mending, and how findings are shown."""
