"""The page docs/settings.md, made from the settings class, and what is set now."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from runtime.settings import Settings, env_name

HEAD: Final = """\
# Settings

Every setting is an environment variable; all have a default. Options of a command (`--state`,
`--host`, `--port`) win over the environment. `noteledger settings` shows what is set now,
`noteledger check` whether it fits together. This page is made from the settings class:
`noteledger settings --markdown > docs/settings.md`.

| Variable | Default | Meaning |
|---|---|---|
"""


def markdown() -> str:
    """The page."""
    lines = [
        f"| `{env_name(name)}` | {_default(field)} | {_cell(field)} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "".join(lines)


def variables() -> list[str]:
    """The environment variables of all settings."""
    return [env_name(name) for name in Settings.model_fields]


def rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Variable, value and meaning of each setting; secrets stay secret."""
    for name, field in Settings.model_fields.items():
        yield env_name(name), _shown(getattr(settings, name)), field.description or ""


def _default(field: FieldInfo) -> str:
    return "none" if field.default is None else f"`{_shown(field.default)}`"


def _cell(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return "(set)" if isinstance(value, SecretStr) else str(value)
