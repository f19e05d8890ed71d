"""Teaches the model that ships with a release, from made-up people: `python -m tests.reconciliation.shipping`."""

from importlib import resources
from pathlib import Path

from reconciliation.teaching import teach
from reconciliation.weights import SHIPPED, Model, save_model
from tests.reconciliation.people import made_up

PEOPLE = 30_000
SEED = 1


def shipped() -> Model:
    """The same model every time."""
    records, _ = made_up(PEOPLE, seed=SEED)
    return teach(records, seed=SEED, name="persons")


if __name__ == "__main__":
    save_model(shipped(), Path(str(resources.files("reconciliation") / "models" / SHIPPED)))
