"""When to retrain and what to do then: the section `schedule` of conf/."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError, model_validator

from components import configure, nodes
from components.errors import ConfigError
from flows.triggers import Watch

DAILY = {"cron": "0 3 * * *"}  # where conf/ says nothing


class Plan(BaseModel):
    """A schedule: by a cron line in a time zone, or every `interval` seconds.

    `timeout` is in seconds, for each stage. `warm`: training goes on from the champion's weights. `alert` names a Prefect block,
    TYPE/NAME, that is told of failed and refused runs. `watch` asks for a retraining between times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: str | None = None
    timezone: str = "UTC"
    interval: PositiveFloat | None = None
    timeout: PositiveFloat = 3600
    promote: bool = False
    warm: bool = False
    alert: str | None = None
    watch: Watch | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("give either a cron line or an interval")
        return self


def read(cron: str | None = None, interval: float | None = None, timeout: float | None = None) -> Plan:
    """Read the schedule in force; what is given here takes its place.

    Raises:
        ConfigError: a key or value is wrong; the text names it.
    """
    found: dict[str, Any] = dict(configure.whole().get("schedule") or DAILY)
    if cron or interval:
        found |= {"cron": cron, "interval": interval}
    if timeout:
        found["timeout"] = timeout
    try:
        return Plan.model_validate(found)
    except ValidationError as error:
        raise ConfigError(nodes.explain(error, "schedule")) from None
