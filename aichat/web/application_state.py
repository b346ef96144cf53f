"""What a started application holds, typed. Handlers get it as the dependency ``app``.

The lifespan (``lifespan.py``) opens it; what exists before that is in ``serving/startup_state.py``.
Modules below this one cannot import it: their handlers get single parts of it by name.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio.abc import TaskGroup
from attrs import define, field
from jinja2 import Environment
from litestar.di import Provide
from pluggy import PluginManager

from aichat.core import Bus, Config, Parts, Storage

from . import paths
from .access.turn_limits import Paces
from .html.fragments import Painter
from .realtime.idle_timeout import IdleTimeout
from .realtime.rooms import Rooms
from .schemas.parameters import Injected
from .services.cards.card_import import CardImport
from .services.character_tryout import Tryouts
from .services.conversation_list import Listing
from .services.import_jobs import Imports
from .services.local_models import LocalModels
from .services.message_actions import MessageActions
from .services.message_edits import MessageEdits
from .services.message_posts import Posted
from .services.metrics import Metrics
from .services.model_catalogue import Catalogue
from .services.prompt_log import Prompts
from .services.undo.characters import DeletedCharacters
from .services.undo.conversations import DeletedConversations
from .services.undo.messages import DeletedMessages
from .services.undo.pending_deletions import PendingDeletions
from .services.uploads import Pictures, Uploads
from .services.voice_previews import Previews
from .settings.live_settings import LiveSettings


@define(eq=False)
class ApplicationState:
    """What handlers use while the server runs."""

    config: Config
    manager: PluginManager
    templates: Environment
    bus: Bus
    parts: Parts
    rooms: Rooms
    idle_timeout: IdleTimeout
    listing: Listing
    posted: Posted
    message_edits: MessageEdits
    message_actions: MessageActions
    pending_deletions: PendingDeletions
    deleted_conversations: DeletedConversations
    deleted_messages: DeletedMessages
    deleted_characters: DeletedCharacters
    uploads: Uploads
    pictures: Pictures
    card_import: CardImport
    previews: Previews
    live_settings: LiveSettings
    local_models: LocalModels
    catalogue: Catalogue = field(factory=Catalogue)
    tryouts: Tryouts = field(factory=Tryouts)
    imports: Imports = field(factory=Imports)
    prompts: Prompts = field(factory=Prompts)
    metrics: Metrics = field(factory=Metrics)

    @property
    def storage(self) -> Storage:
        """The store in use."""
        return self.parts.storage

    def listen(self) -> None:
        """Count and keep, from now on, what happens on the bus."""
        self.prompts.listen(self.bus)
        self.metrics.listen(self.bus, self.rooms)


App = Injected[ApplicationState]
"""The type of a handler's parameter ``app``."""


def application_state(
    config: Config,
    manager: PluginManager,
    templates: Environment,
    bus: Bus,
    parts: Parts,
    tasks: TaskGroup,
) -> ApplicationState:
    """Make the state of an application whose *bus* and *parts* are open."""
    rooms = Rooms(bus, parts, Painter(templates), tasks, Paces.by(config.web, bus.clock.now))
    pending, uploads, pictures = PendingDeletions(tasks), Uploads(), Pictures()
    listing = Listing(pending, rooms.hidden)
    edits = MessageEdits(parts, rooms, listing, Posted())
    deleted = DeletedMessages(parts, rooms, pending, listing, templates, edits.delete)
    return ApplicationState(
        config, manager, templates, bus, parts, rooms,
        idle_timeout=IdleTimeout(config.web.max_silence_s, bus.clock),
        listing=listing, posted=edits.posted, message_edits=edits,
        message_actions=MessageActions(rooms, deleted),
        pending_deletions=pending,
        deleted_conversations=DeletedConversations(parts, rooms, pending, listing, templates),
        deleted_messages=deleted,
        deleted_characters=DeletedCharacters(parts, rooms, pending),
        uploads=uploads, pictures=pictures,
        card_import=CardImport(parts, uploads, pictures),
        previews=Previews(paths.data() / "previews", config),
        live_settings=LiveSettings(parts),
        local_models=LocalModels(config, manager, parts),
    )  # fmt: skip


def dependencies(current: Callable[[], ApplicationState]) -> dict[str, Provide]:
    """Return what handlers may take by name: the state as ``app``, and some of its parts."""
    offered: dict[str, Callable[[], object]] = {
        "app": current,
        "parts": lambda: current().parts,
        "rooms": lambda: current().rooms,
        "idle_timeout": lambda: current().idle_timeout,
        "metrics": lambda: current().metrics,
    }
    return {name: Provide(get, sync_to_thread=False) for name, get in offered.items()}
