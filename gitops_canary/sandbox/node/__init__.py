"""The sandbox's node: binds and runs the pods of any Kubernetes API as real servers and processes, and is their kubelet."""
