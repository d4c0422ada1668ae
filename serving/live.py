"""What is served, and how the next champion takes its place between two requests."""

import asyncio
import gc
import importlib
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from components import artifacts
from components.errors import BundleError, ConfigError, DataError, ZhijianError
from components.recommend.experiment import Arm, Experiment
from components.schema import Answer
from serving import metrics
from serving.changes import Patch
from serving.messages import Models, RecommendRequest, RefusedBundle, Served, Tried
from serving.options import Options

if TYPE_CHECKING:
    from components.dialogue.conversation import Conversation
    from components.recommend import Recommender
    from components.recommend.session import Session

LOG = logging.getLogger("zhijian.live")
EVERY = 0.1  # seconds between two looks at the pointer
AGAIN = 60.0  # seconds until a bundle that was refused is tried once more
SHOWN = ("NDCG@10", "HR@10", "MRR@10")


class Pointer(BaseModel):
    """The pointer to the champion, as far as serving reads it."""

    bundle: str = Field(min_length=1)
    folder: str
    since: AwareDatetime
    previous: str | None = None
    number: int = Field(ge=1)


@dataclass(frozen=True)
class Live:
    """A bundle in force; a request takes this one object, once, and all that it answers is of one bundle.

    Attributes:
        state: what was said of items since the bundle was made, and is in force beside it.
    """

    recommender: "Recommender"
    conversation: "Conversation"
    about: Served
    state: Mapping[str, Patch] = field(default_factory=dict[str, Patch])


def default() -> Path:
    """The bundle where there is no champion: the one that the Bento carries, else the pipeline's own."""
    carried = Path(__file__).parents[1] / "bundle"
    return carried if carried.is_dir() else Path("artifacts/bundle")


def pointer(path: Path) -> Pointer | None:
    """Read who is champion; None where nobody is; raises BundleError for a pointer that is none."""
    if not path.exists():
        return None
    try:
        return Pointer.model_validate(artifacts.read_json(path))
    except (ZhijianError, ValidationError) as error:
        raise BundleError(f"{path}: names no champion ({type(error).__name__}); promote one with `zhijian promote`") from None


def prepare() -> None:
    """Import all that answers; it stays, so from now on it is not looked through for garbage, which would stop all requests each time."""
    with uncollected():
        importlib.import_module("components.dialogue.conversation")  # late: the process that only supervises needs no model
        gc.freeze()


@contextmanager
def uncollected() -> Generator[None]:
    """Look for no garbage meanwhile: of what is made by loading all stays, and the looking would take a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@uncollected()
def load(folder: Path, champion: Pointer | None = None) -> Live:
    """Load and verify a bundle and warm it up; raises BundleError that names it when it can't be served."""
    from components.dialogue.conversation import Conversation  # late: the process that only supervises needs no model
    from components.recommend import Recommender

    try:
        recommender = Recommender.load(folder)
        if champion and recommender.bundle != champion.bundle:
            raise BundleError(f"{folder}: holds bundle {recommender.bundle}, not {champion.bundle}")
        warm(recommender)
        conversation = Conversation.over(recommender, folder)
    except ZhijianError as error:
        raise BundleError(str(error)) from error
    except Exception as error:  # whatever a bundle made by other code breaks, the one in force must serve on
        raise BundleError(f"{folder}: can't be served by this code ({type(error).__name__}: {error})") from error
    now = datetime.now(UTC)
    about = Served(
        bundle=recommender.bundle,
        since=champion.since if champion else now,
        loaded=now,
        number=champion.number if champion else None,
        items=len(recommender.items),
        users=len(recommender.users),
        metrics=_scores(folder.parent / "metrics.json") if champion else {},
    )
    return Live(recommender, conversation, about)


@dataclass(frozen=True)
class Trial:
    """What is tried on users, and the other bundle, where there is one; taken and left as one."""

    experiment: Experiment = field(default_factory=Experiment)
    other: Live | None = None


Asked = tuple[Live, RecommendRequest, "Session | None"]


def ranked(asked: Sequence[Asked]) -> list[Answer | Exception]:
    """Answer requests for recommendations, those of one bundle together."""
    from components.recommend.asking import Ask  # late, as it brings the models along

    metrics.gathered(len(asked))
    answers: dict[int, Answer | Exception] = {}
    for live in {id(live): live for live, _, _ in asked}.values():
        own = [(place, request, session) for place, (which, request, session) in enumerate(asked) if which is live]
        asks = [Ask(one.user_id, one.history, one.k, one.filters, one.at, session, one.profile) for _, one, session in own]
        answers |= zip([place for place, _, _ in own], live.recommender.together(asks), strict=True)
    return [answers[place] for place in range(len(asked))]


@dataclass
class Watch:
    """Follows the pointer: `live` is replaced as a whole, or stays."""

    options: Options
    live: Live
    refused: RefusedBundle | None = None
    next_try: float = 0.0
    trial: Trial = field(default_factory=Trial)
    wrong: str | None = None
    asked: tuple[int, int] | None = None
    loading: Callable[[Path, Pointer | None], Live] = field(default=load)

    @classmethod
    def start(cls, options: Options) -> "Watch":
        """Load what is to be served: a bundle that was named, else the champion, or the one before it, else the default.

        Raises:
            BundleError: none of them can be served.
        """
        champion = None if options.bundle else pointer(options.champion)
        if champion is None:
            return cls(options, load(options.bundle or default()))
        folder = options.champion.parent
        try:
            return cls(options, load(_inside(folder, champion.folder), champion))
        except BundleError as error:
            if champion.previous is None:
                raise
            LOG.error("%s; serving the champion before it", error)
            live = load(_inside(folder, f"{champion.previous}/bundle"), champion.model_copy(update={"bundle": champion.previous}))
            watch = cls(options, live)
            watch._refuse(champion, error)
            return watch

    @staticmethod
    def check(options: Options) -> None:
        """See whether there is something to serve; raises BundleError that names what is wrong with it."""
        champion = None if options.bundle else pointer(options.champion)
        folders = [options.bundle or default()]
        if champion:
            folders = [_inside(options.champion.parent, name) for name in (champion.folder, f"{champion.previous}/bundle")]
        try:
            artifacts.verify(folders[0])
        except BundleError:
            if not champion or champion.previous is None:
                raise
            artifacts.verify(folders[1])

    async def follow(self) -> None:
        """Look at the pointer again and again, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
                await self.consider()
            except BundleError as error:
                LOG.error("%s", error)

    async def consider(self) -> None:
        """Try what the experiment's file says, if it says another thing than before; one that can't be tried leaves the one before."""
        if (asked := _state(self.options.experiment)) == self.asked:
            return
        self.asked = asked
        try:
            self.trial = await asyncio.to_thread(self._trial)
        except (ConfigError, BundleError) as error:
            self.wrong = str(error).replace(str(self.options.experiment.parent), "champions")
            LOG.error("the experiment is not begun: %s", error)
        else:
            self.wrong = None
            LOG.info("experiment: %s", self.trial.experiment.model_dump_json())

    def choose(self, user: str | None) -> tuple[Live, Arm]:
        """Give the bundle that a user is asked of, and the user's arm."""
        trial, live = self.trial, self.live
        arm = trial.experiment.arm(user) if trial.other else "champion"
        return (trial.other if arm == "challenger" and trial.other else live), arm

    def _trial(self) -> Trial:
        experiment, before = Experiment.read(self.options.experiment) or Experiment(), self.trial
        if experiment.challenger is None:
            return Trial(experiment)
        if before.other and experiment.challenger == before.experiment.challenger:
            return Trial(experiment, before.other)
        return Trial(experiment, self.loading(_inside(self.options.experiment.parent, experiment.challenger), None))

    async def look(self) -> None:
        """Serve the champion if it is another one than before; a bundle that can't be served changes nothing but `refused`."""
        champion = None if self.options.bundle else pointer(self.options.champion)
        if champion is None or self._known(champion):
            return
        start = time.monotonic()
        try:
            live = await asyncio.to_thread(self.loading, _inside(self.options.champion.parent, champion.folder), champion)
        except BundleError as error:
            self._refuse(champion, error)
            return
        self.live, self.refused = live, None
        metrics.swapped(live.about, "taken")
        LOG.info("serving bundle %s, number %d, after %.2f s", champion.bundle, champion.number, time.monotonic() - start)

    def models(self) -> Models:
        """Say what is served and what was refused."""
        trial, told = self.trial, self.trial.experiment.model_dump(exclude={"challenger"})
        tried = Tried(challenger=trial.other and trial.other.about, **told) if trial.other or trial.experiment.slots else None
        return Models(served=self.live.about, refused=self.refused, experiment=tried, wrong=self.wrong)

    def _known(self, champion: Pointer) -> bool:
        if self.refused and self.refused.number == champion.number:
            return time.monotonic() < self.next_try
        return self.live.about.number == champion.number

    def _refuse(self, champion: Pointer, error: BundleError) -> None:
        LOG.error("refused bundle %s: %s", champion.bundle, error)
        metrics.swapped(self.live.about, "refused")
        said = str(error).replace(str(self.options.champion.parent), "champions")  # where it lies here is nobody's business
        self.refused = RefusedBundle(bundle=champion.bundle, number=champion.number, reason=said)
        self.next_try = time.monotonic() + AGAIN


def _state(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _inside(root: Path, name: str) -> Path:
    try:
        return artifacts.inside(root, name)
    except DataError as error:
        raise BundleError(str(error)) from None


def kindle(recommender: "Recommender") -> None:
    """Make what is made at the first recommendation."""
    recommender.recommend(history=[], k=1)
    recommender.recommend(history=recommender.items[:1], k=1)


def warm(recommender: "Recommender") -> None:
    """Make what is made at the first call of each kind."""
    kindle(recommender)
    if recommender.encoder:
        recommender.search("hello", 1)
    if shown := [item for item in recommender.items if item not in recommender.catalogue.hidden][:1]:
        for by in ("both", "content", "behaviour"):
            recommender.similar(shown[0], 1, by)
        recommender.peers(shown[0], 1, "behaviour")
        recommender.peers(shown[0], 1, "both")
        recommender.explain(shown[0], history=recommender.items[-1:])


def _scores(path: Path) -> dict[str, float]:
    """A few of the hybrid's scores on its test, where they are written down."""
    try:
        said = artifacts.read_json(path)["models"]["hybrid"]
        return {name: float(said[name]["mean"]) for name in SHOWN if name in said}
    except (ZhijianError, KeyError, TypeError, ValueError):
        return {}
