"""A process that commits until it is killed, and prints what has been acknowledged to it."""

import asyncio
import sys
from pathlib import Path

from controller.store.store import Commit, Store, StoreError
from tests.store.samples import ROUTE, updated


async def main(folder: Path, count: int) -> None:
    store = Store(folder)
    try:
        await store.open()
        for number in range(count):
            commit = Commit(states={"evse:A1": {"number": number}}, entries=[(updated(number), ROUTE)])
            await _insist(store, commit)
    except StoreError as error:
        print("failed", error.kind.value, error, flush=True)
        return
    await store.close()
    print("closed", flush=True)


async def _insist(store: Store, commit: Commit) -> None:
    """As an owner does: the same commit again until it is durable; here, until somebody makes room."""
    while True:
        try:
            seqs = await store.commit(commit)
        except StoreError as error:
            print("failed", error.kind.value, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
        else:
            print("durable", *seqs, flush=True)
            return


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
