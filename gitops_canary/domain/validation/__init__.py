"""What is wrong with a cluster repository that can be told from its manifests and rendered charts alone; pure checks, no files."""
