"""The watching flow: looks at the triggers and, where one fires, emits the event that starts the retraining."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.events import emit_event

from flows import champions, feedback, triggers
from flows.triggers import Trigger, Watch

EVENT = "zhijian.retrain.wanted"
RESOURCE = "zhijian.champion"


@dataclass(frozen=True)
class Seen:
    """What was looked at, whether a retraining was asked for, and if not though a trigger fired, why."""

    triggers: list[Trigger]
    asked: bool
    held: str = ""


@flow(name="monitor")
def monitor(watch: Watch) -> Seen:
    """Look at every trigger; where one fires and neither quiet period nor budget holds it back, ask for a retraining."""
    now = datetime.now(UTC)
    found = triggers.look(watch, now, feedback.peek() if watch.reads_log and champions.current() else None)
    create_table_artifact([asdict(trigger) for trigger in found], key="triggers")
    fired = [trigger for trigger in found if trigger.fired]
    if not fired:
        return Seen(found, asked=False)
    if held := triggers.held(watch, now):
        return Seen(found, asked=False, held=held)
    triggers.note(now)
    emit_event(EVENT, {"prefect.resource.id": RESOURCE}, payload={trigger.name: trigger.reason for trigger in fired})
    return Seen(found, asked=True)
