"""Champions that take turns under load, and every answer held against what its bundle answers in peace."""

import asyncio
import json
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from components import artifacts

SWAPS, CLIENTS = 10, 8


def champions(bundle: Path, folder: Path) -> list[str]:
    """Make two champions of one bundle that answer differently, the second with every other item closed; put the first in charge."""
    names = []
    for rules in (False, True):
        made = shutil.copytree(bundle, folder / "made")
        if rules:
            policy = json.loads((made / "policy.json").read_text())
            items = artifacts.read_table(made / "items.parquet")["item_id"].to_list()[::2]
            policy["rules"] = [{"_target_": "components.recommend.rules.Stock", "name": "half", "items": items}]
            (made / "policy.json").write_text(json.dumps(policy))
        names.append(artifacts.seal(made, {"rules": rules}))
        (folder / names[-1]).mkdir()
        made.rename(folder / names[-1] / "bundle")
    promote(folder, names[0], 1)
    return names


def promote(folder: Path, name: str, number: int, previous: str | None = None) -> None:
    said = {"bundle": name, "folder": f"{name}/bundle", "since": datetime.now(UTC).isoformat(), "previous": previous, "number": number}
    artifacts.write_json(folder / "champion.json", said)


async def swapped(port: int, folder: Path, names: Sequence[str], users: Sequence[str]) -> dict[str, object]:
    """Let the champions take turns; a turn is over when /models names the next one."""
    answers: list[tuple[int, str, str, tuple[str, ...], float]] = []
    expected: dict[tuple[str, str], tuple[str, ...]] = {}
    took, done = [], asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        async def ask(user: str) -> None:
            start = time.monotonic()
            said = await client.post("/recommend", json={"user_id": user})
            body = said.json()
            items = tuple(item["item_id"] for item in body.get("items", []))
            answers.append((said.status_code, body.get("bundle", ""), user, items, time.monotonic() - start))

        async def load(number: int) -> None:
            while not done.is_set():
                await ask(users[number % len(users)])
                number += CLIENTS

        async def learn() -> None:
            """What the bundle in force answers, asked while nothing is swapped."""
            for user in users:
                await ask(user)
                expected[answers[-1][1], user] = answers[-1][3]

        await learn()
        loads = []
        for number in range(2, SWAPS + 3):
            promote(folder, names[(number - 1) % 2], number, names[number % 2])
            start = time.monotonic()
            while (await client.get("/models")).json()["served"]["number"] != number:
                await asyncio.sleep(0.01)
            if number > 2:
                took.append(time.monotonic() - start)
            else:  # the first turn is only there to learn from
                await learn()
                loads = [asyncio.create_task(load(place)) for place in range(CLIENTS)]
        done.set()
        await asyncio.gather(*loads)
    known = [(bundle, user, items) for status, bundle, user, items, _ in answers if status == 200]
    mixed = sum(expected[bundle, user] != items for bundle, user, items in known)
    return {
        "swaps": len(took),
        "answers": len(answers),
        "failed": len(answers) - len(known),
        "mixed": mixed,
        "of_each": [sum(bundle == name for bundle, _, _ in known) for name in names],
        "noticed_and_taken_s": {"median": round(float(np.median(took)), 2), "most": round(max(took), 2)},
        "p99_ms": round(float(np.percentile([seconds for *_, seconds in answers], 99)) * 1000, 1),
    }
