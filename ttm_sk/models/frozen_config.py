"""What every config of this package can do: become plain JSON types and come back, and check its types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any, Self

from ttm_sk.errors import ConfigError

__all__ = ["FrozenConfig"]


class FrozenConfig:
    """Parent of the frozen dataclasses that describe an architecture; every field has a default of its type."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config that :meth:`to_dict` wrote.

        Raises
        ------
        ConfigError
            For a key that is no field, with the nearest one that is.
        """
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        for key in values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
                raise ConfigError(f"unknown configuration key {key!r}{hint}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"a configuration value has the wrong type: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, one entry per field."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()  # type: ignore[call-overload]
        }

    def check_types(self) -> None:
        """Raise ``ConfigError`` for the first field whose value is not of the type of its default."""
        for field in fields(self):  # type: ignore[arg-type]
            value, default = getattr(self, field.name), field.default
            is_right = isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))
            if not is_right or (isinstance(value, bool) and not isinstance(default, bool)):
                raise ConfigError(f"{field.name}={value!r} is no {type(default).__name__}; for example {default!r}")
