"""Metric providers: text of queries out, meaning of answers in; one file a provider, no HTTP of their own."""
