"""Train a small model on windows of many sessions, stop in the middle of an epoch, go on.

Run it with ``python examples/torch_windows.py``; it needs ``pip install 'evcodec[torch]'``.
"""

# %%
import json
from pathlib import Path

import torch

from evcodec import EventBatch, Writer
from evcodec.sample import sample_session
from evcodec.torch import EventWindows

FOLDER = Path("torch_sessions")
TICK = 20_000_000  # 50 ticks a second
TICKS = 32


# %% Made-up sessions of six people.
def record() -> None:
    for person in range(6):
        folder = FOLDER / f"user={person}"
        folder.mkdir(parents=True, exist_ok=True)
        session: EventBatch = sample_session(30_000, seed=person)
        with Writer(folder / "session.evc", governance={"purpose": "training"}) as writer:
            writer.write(session)


# %% Where the pointer is, 50 times a second, without pauses of more than two seconds.
def windows() -> EventWindows:
    return EventWindows(
        FOLDER,
        TICKS,
        tick_ns=TICK,
        columns=("x", "y"),
        where={"purpose": "training"},
        max_gap_ns=2 * 10**9,
        batch_size=64,
        shuffle=True,
        seed=7,
        numbers=True,
    )


# %% A model that says where the pointer goes next, from where it was.
def made() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2 * (TICKS - 2), 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    return model, torch.optim.Adam(model.parameters(), 1e-2)


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor]) -> float:
    position = (
        torch.stack((batch["x"], batch["y"]), 2).float() / 1_000
    )  # integers come exact; this scale is ours
    motion = position.diff(dim=1)
    loss = torch.nn.functional.mse_loss(model(motion[:, :-1].flatten(1)), motion[:, -1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def save(loader, model, optimizer) -> None:
    Path("windows.json").write_text(json.dumps(loader.state_dict()))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "model.pt")


# %%
if __name__ == "__main__":  # workers that are spawned import this file
    record()

    # One worker, and a job that is ended in the middle of the second epoch.
    loader = windows().loader(1)
    model, optimizer = made()
    print(f"{loader.windows.windows} windows of {TICKS} ticks, {len(loader)} batches an epoch")
    seen: dict[int, list[int]] = {0: [], 1: []}
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        for count, batch in enumerate(loader):
            loss = step(model, optimizer, batch)
            seen[epoch] += batch["window"].tolist()
            if (epoch, count) == (1, 20):
                save(loader, model, optimizer)
                break
        print(f"epoch {epoch}: {len(seen[epoch])} windows, loss {loss:.5f}")

    # %% Another job goes on, here without workers.
    loader = windows().loader(0)
    model, optimizer = made()
    saved = torch.load("model.pt")
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    loader.load_state_dict(json.loads(Path("windows.json").read_text()))
    print(f"going on with epoch {loader.windows.epoch}: {len(loader)} batches are left")
    for batch in loader:
        loss = step(model, optimizer, batch)
        seen[1] += batch["window"].tolist()
    print(f"epoch 1: {len(seen[1])} windows, loss {loss:.5f}")
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(loader.windows.windows))
    print("every window came once in each epoch")
