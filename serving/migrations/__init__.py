"""The steps from an empty database to the event log of today: `alembic revision` adds one, a start of the service takes them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Alembic loads these by their paths; named here, a Bento carries them
    from serving.migrations import env as env
    from serving.migrations.versions import v0001_events as v0001_events
    from serving.migrations.versions import v0002_lists as v0002_lists
    from serving.migrations.versions import v0003_changes as v0003_changes
