"""What the benchmarks share: the table of figures beside their goals, the cost of processes, a counting proxy, a server apart."""
