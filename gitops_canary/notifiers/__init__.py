"""Notification payloads, one file a provider, pure; posting is shared and lives in the adapters."""
