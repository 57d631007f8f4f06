"""Text of manifests to values and back: walks a tree of files and replaces one scalar in place; still pure."""
