"""The spool against a model of it: whatever is done in whatever order, and whenever the process ends."""

import shutil
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.agent.holdings import Settings
from tests.gateway.agent.spools import opened, receipt, segment_files, take

LATER = datetime(2030, 1, 1, tzinfo=UTC)
SMALL = Settings(quota_bytes=10_000_000, reserve_bytes=0, segment_bytes=2_000, keep_seconds=0)


class SpoolMachine(RuleBasedStateMachine):
    """The model: batches taken and not yet receipted or refused, the last number of the epoch, the producer's mark."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # noqa: S108 - only where the system offers it
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.pending: dict[tuple[int, int], bytes] = {}
        self.refused: dict[tuple[int, int], bytes] = {}
        self.receipted: set[tuple[int, int]] = set()
        self.epoch, self.last, self.mark = 0, 0, None
        self.ending = ExitStack()
        self.spool = self.ending.enter_context(opened(self.folder, SMALL))

    def teardown(self) -> None:
        self.ending.close()
        shutil.rmtree(self.folder)

    def reopen(self) -> None:
        self.ending.close()
        self.ending = ExitStack()
        self.spool = self.ending.enter_context(opened(self.folder, SMALL))

    @rule(payload=st.binary(max_size=900), mark=st.none() | st.integers())
    def take(self, payload: bytes, mark: int | None) -> None:
        entry = take(self.spool, payload, mark=None if mark is None else {"at": mark})
        self.last += 1
        assert entry.sequence == self.last
        self.pending[self.epoch, self.last] = payload
        self.mark = self.mark if mark is None else {"at": mark}

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.spool.pending()))
        self.spool.receive(receipt(entry))
        key = (self.spool.epochs.index(entry.epoch), entry.sequence)
        del self.pending[key]
        self.receipted.add(key)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.spool.pending()))
        self.spool.refuse(entry, reason="UNREADABLE", vi="Không đọc được.", en="It cannot be read.")
        key = (self.spool.epochs.index(entry.epoch), entry.sequence)
        self.refused[key] = self.pending.pop(key)

    @precondition(lambda self: any(epoch == self.epoch for epoch, _ in self.refused))
    @rule(data=st.data(), payload=st.binary(max_size=50))
    def correct(self, data: st.DataObject, payload: bytes) -> None:
        key = data.draw(st.sampled_from(sorted(key for key in self.refused if key[0] == self.epoch)))
        take(self.spool, b"!" + payload + self.refused.pop(key), corrects=key[1])
        self.pending[key] = self.spool.read(self.spool.stock.entries[self.spool.epoch, key[1]]) or b""
        assert self.pending[key].startswith(b"!" + payload)

    @rule()
    def seal(self) -> None:
        self.spool.seal()

    @rule()
    def tidy(self) -> None:
        self.spool.tidy(gateway_time=LATER)

    @rule()
    def end_and_begin_again(self) -> None:
        self.reopen()

    @rule(cut=st.integers(1, 60))
    def die_while_taking(self, cut: int) -> None:
        """What `append` had written of one batch, and not yet told of, when the process ended."""
        self.ending.close()
        high = (self.folder / "accepted").read_bytes()
        before = {path: path.stat().st_size for path in segment_files(self.folder)}
        with opened(self.folder, SMALL) as spool:
            take(spool, b"never taken " * 5)
        (self.folder / "accepted").write_bytes(high)
        newest = segment_files(self.folder)[-1]
        if newest in before:
            with newest.open("r+b") as file:
                file.truncate(min(newest.stat().st_size - 1, before[newest] + cut))
        else:
            newest.unlink()
        self.reopen()

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def flip_a_bit(self, data: st.DataObject) -> None:
        """Of a payload that was taken: it is lost, named, and everything else stays."""
        entry = data.draw(
            st.sampled_from([one for one in self.spool.pending() if one.size])
            if any(one.size for one in self.spool.pending())
            else st.none()
        )
        if entry is None:
            return
        place = self.spool.stock.places[entry.epoch, entry.sequence]
        self.ending.close()
        with place.path.open("r+b") as file:
            file.seek(place.body)
            byte = file.read(1)
            file.seek(place.body)
            file.write(bytes([byte[0] ^ 1]))
        key = (self.spool.epochs.index(entry.epoch), entry.sequence)
        corrected = entry.corrects
        self.ending = ExitStack()
        self.spool = self.ending.enter_context(opened(self.folder, SMALL))
        self._forget(key, corrected)

    def _forget(self, key: tuple[int, int], corrected: bool) -> None:
        del self.pending[key]
        if corrected:  # what it had corrected is still there, refused as it was
            (refused,) = [one for one in self.spool.stock.refused.values() if one.sequence == key[1]] or [None]
            assert refused is not None
            self.refused[key] = self.spool.read(self.spool.stock.entries[self.spool.epochs[key[0]], key[1]]) or b""
        else:
            assert (self.spool.epochs[key[0]], key[1]) in self.spool.damage.lost
            if key[0] == self.epoch:
                self.epoch, self.last = self.epoch + 1, 0
        self.mark = self.spool.mark  # the producer goes back to before what was lost

    @invariant()
    def holds_what_was_taken(self) -> None:
        held = {
            (self.spool.epochs.index(entry.epoch), entry.sequence): self.spool.read(entry)
            for entry in self.spool.pending()
        }
        assert held == self.pending
        assert list(held) == sorted(held)
        assert self.spool.last_sequence == self.last
        assert len(self.spool.epochs) == self.epoch + 1
        assert self.spool.mark == self.mark
        assert {(self.spool.epochs.index(epoch), number) for epoch, number in self.spool.stock.refused} == set(
            self.refused
        )


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
