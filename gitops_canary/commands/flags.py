"""Settings as command-line flags, shared by the subcommands that take them."""

import argparse
from dataclasses import fields

from gitops_canary.settings import Settings, flag_of


def add_settings(parser: argparse.ArgumentParser) -> None:
    """One flag a setting; values stay text, so that `load_settings` can say where a wrong one came from."""
    group = parser.add_argument_group("settings", "each also as GITOPS_CANARY_<NAME> and in the settings file")
    parser.add_argument("--config", default="", metavar="FILE", help="settings file (YAML: setting: value)")
    for one in fields(Settings):
        names = [f"--{flag_of(one.name)}"] + ([f"--{one.metadata['alias']}"] if one.metadata["alias"] else [])
        why = str(one.metadata["why"]).replace("%", "%%")
        default = "" if one.default in ("", ()) else f" (default: {_default(one.default)})"
        value = {"nargs": "?", "const": "true"} if one.metadata["unit"] == "true|false" else {}
        group.add_argument(*names, dest=f"set_{one.name}", metavar=str(one.metadata["unit"]).upper(), help=why + default, **value)  # type: ignore[arg-type]


def given_settings(args: argparse.Namespace) -> dict[str, str]:
    """The settings that stand on the command line, by flag name."""
    return {flag_of(key.removeprefix("set_")): value for key, value in vars(args).items() if key.startswith("set_") and value is not None}


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}s" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
