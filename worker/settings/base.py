"""What every concern of the settings has in common: read from the environment only, frozen."""

from __future__ import annotations

from typing import Annotated

from pydantic import field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class Concern(BaseSettings):
    """One group of settings; the environment is read when it is made, and only then."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, case_sensitive=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)

    @field_validator("*", mode="before")
    @classmethod
    def _split_lists(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        if isinstance(value, str) and name and cls.model_fields[name].annotation == tuple[str, ...]:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
