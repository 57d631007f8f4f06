"""The only code that talks to the outside: git, registry, cluster, Helm, HTTP, clock."""
