"""What a real server refuses of each built-in kind, as causes of a 422; types and defaults are not looked at here."""
