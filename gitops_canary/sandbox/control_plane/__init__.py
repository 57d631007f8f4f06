"""A real Kubernetes control plane at hand: built from its Go modules, started for a test or the demo, ended without a trace.

`binaries` says where the programs are, `build` puts them there, `plane.ControlPlane` runs them. Nothing here knows the operator.
"""
