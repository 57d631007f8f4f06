"""An OCI registry and a chart repository on loopback, for the demo and the tests; they speak only HTTP with everybody else."""
