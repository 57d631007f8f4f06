"""Container registries over HTTP: tags, digests and build times; which of them matter is the domain's business."""
