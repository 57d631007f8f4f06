"""What the sandbox's pods run inside the node: small real programs; what runs as a process of its own is the product itself."""
