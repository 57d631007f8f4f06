"""Numbers of things in sentences."""


def counted(number: int, one: str, many: str) -> str:
    """`1 canary`, `2 canaries`."""
    return f"{number} {one if number == 1 else many}"
