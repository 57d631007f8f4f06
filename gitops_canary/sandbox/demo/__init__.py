"""The demo: a world on loopback, the story told live, and a witness in a process of its own that asserts it really happened."""
