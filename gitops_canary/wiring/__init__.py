"""Settings to a running operator with real adapters: the only place that knows everybody; it decides nothing.

`application.py` holds the whole, `repository.py` and `releases.py` its Git and its Helm side, `page.py` what it shows; `rules.py` hands
each part its settings, `commands.py` serves commands that are not the operator."""
