"""Criterion: not worse than the champion, both asked the same questions."""

from dataclasses import replace

import numpy as np
import polars as pl
from pydantic import PositiveFloat, PositiveInt

from components.data.histories import Dataset, Histories, load, spaced
from components.errors import BundleError, ConfigError, DataError
from components.evaluation.criteria.verdict import Evidence, Verdict
from components.evaluation.metrics import measure
from components.evaluation.significance import Interval, interval, resample
from components.ranking.parts import Floats
from components.recommend import Recommender
from components.schema import node

NAME = "not worse than the champion"
K = 10
OTHERWISE = "`zhijian promote --without champion` promotes without"
MOST = 300  # letters of a reason


@node
class NotWorse:
    """The champion, asked about the challenger's test users at the same moments and with the same histories, is not better.

    Not inferior: the paired 95 % interval of the difference in `metric`@10 lies above -`margin` times the champion's mean.
    Users whose test events the champion was trained on are left out, since it would have them by heart.
    """

    metric: str = "NDCG"
    margin: PositiveFloat = 0.03
    resamples: PositiveInt = 1000
    users: PositiveInt = 5000  # asked at most, evenly spaced
    seed: int = 17

    def judge(self, evidence: Evidence) -> Verdict:
        """Ask the champion, and compare user by user."""
        if evidence.champion is None:
            return Verdict(NAME, None, 0.0, None, None, True, "there is no champion yet")
        try:
            champion = Recommender.load(evidence.champion / "bundle")
        except (BundleError, ConfigError, DataError) as error:
            return Verdict(NAME, None, 0.0, None, None, False, f"the code here can't ask the champion; {OTHERWISE}: {error}"[:MOST])
        if champion.bundle == evidence.metrics["bundle"]:
            return Verdict(NAME, 0.0, 0.0, None, None, True, "it is the champion")
        return self._compare(evidence, champion)

    def _compare(self, evidence: Evidence, champion: Recommender) -> Verdict:
        dataset = load(evidence.tables, evidence.split)
        users, knew = _askable(evidence, champion, self.users)
        if not users:
            return Verdict(NAME, None, 0.0, None, None, False, f"the champion was trained on the test events of all {knew} users")
        theirs, at = _given_same(champion, dataset, users)
        values = [self._values(table, evidence.wanted, users) for table in (evidence.given, theirs.batch(users, K, at))]
        found, mean = _paired(values[0] - values[1], self.resamples, self.seed), float(values[1].mean())
        bound = -self.margin * mean
        reason = (
            f"{self.metric}@{K} differs by {found.value:+.4f} from the {mean:.4f} of champion {champion.bundle}, over {len(users)} users; "
            f"the interval {found.low:+.4f} to {found.high:+.4f} is {'above' if found.low > bound else 'not wholly above'} {bound:+.4f}"
        ) + (f"; {knew} users left out, whose test events it was trained on" if knew else "")
        return Verdict(NAME, found.value, bound, found.low, found.high, found.low > bound, reason)

    def _values(self, lists: pl.DataFrame, wanted: pl.DataFrame, users: list[str]) -> Floats:
        """The metric of each user, float64 (users,)."""
        place = {user: i for i, user in enumerate(users)}
        chosen = wanted.filter(pl.col("user_id").is_in(users))
        hits = lists.filter(pl.col("rank") <= K).join(chosen, on=["user_id", "item_id"], how="semi")
        relevant = np.zeros((len(users), K), dtype=bool)
        relevant[hits["user_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy(), hits["rank"].to_numpy() - 1] = True
        sizes = np.bincount(chosen["user_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy(), minlength=len(users))
        found = measure(relevant, sizes, K)
        if self.metric not in found:
            raise ConfigError(f"{NAME}: no metric {self.metric!r}; there are: {', '.join(found)}")
        return found[self.metric]


def _askable(evidence: Evidence, champion: Recommender, most: int) -> tuple[list[str], int]:
    """Test users to ask, and how many were left out since the champion was trained on what they are tested on."""
    known = set(evidence.wanted.join(champion.events, on=["user_id", "item_id"], how="semi")["user_id"])
    there = [user for user in evidence.wanted["user_id"].unique().sort() if user not in known]
    return [there[place] for place in spaced(len(there), most)], len(known)


def _given_same(champion: Recommender, dataset: Dataset, users: list[str]) -> tuple[Recommender, np.ndarray]:
    """The champion, knowing of these users what the challenger knows, as far as it has the items; and when each asks."""
    index = {user: place for place, user in enumerate(dataset.users)}
    known = dataset.known().asked(dataset.test).pick(np.array([index[user] for user in users]))
    items = np.array([champion.catalogue.index.get(item, -1) for item in dataset.items], dtype=np.int64)[known.items]
    there = items >= 0
    offsets = np.concatenate([[0], np.cumsum(np.bincount(known.users[there], minlength=len(users)))])
    who = np.array([champion.users.get(user, -1) for user in users], dtype=np.int64)
    histories = Histories(items[there], known.times[there], offsets, who)
    return replace(champion, users={user: place for place, user in enumerate(users)}, histories=histories), known.at


def _paired(difference: Floats, resamples: int, seed: int) -> Interval:
    return interval(difference, resample(difference[:, None], resamples, seed)[:, 0])
