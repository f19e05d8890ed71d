"""A batch that was taken is there with its bytes and its number, whatever happens to the process, the disk or a bit."""

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.agent import segments
from gateway.agent.errors import FatalSpoolError, RetryableSpoolFullError
from gateway.agent.holdings import Settings, holdings, summary
from tests.gateway.agent.spools import SOURCE, opened, receipt, segment_files, take
from tests.gateway.conftest import ROOT

LATER = datetime(2030, 1, 1, tzinfo=UTC)


def contents(folder: Path) -> dict[tuple[int, int], bytes | None]:
    """Everything that is to be sent: (number of the epoch, sequence) → payload."""
    with opened(folder) as spool:
        return {(spool.epochs.index(entry.epoch), entry.sequence): spool.read(entry) for entry in spool.pending()}


def filled(folder: Path, *payloads: bytes) -> None:
    with opened(folder) as spool:
        for payload in payloads:
            take(spool, payload)


def test_what_is_taken_is_there_after_the_spool_is_opened_again(tmp_path):
    with opened(tmp_path) as spool:
        taken = [take(spool, b"one"), take(spool, b"", mark={"at": 7}), take(spool, b"ba\n" * 1_000)]
        mark = spool.mark

    with opened(tmp_path) as again:
        assert again.pending() == taken
        assert [again.read(entry) for entry in taken] == [b"one", b"", b"ba\n" * 1_000]
        assert (again.mark, mark) == ({"at": 7}, {"at": 7})
        assert take(again, b"four").sequence == 4
        assert again.epoch == taken[0].epoch


def test_a_spool_cut_off_at_any_byte_of_its_last_batch_goes_on_with_the_next_number(in_memory):
    """A crash in the middle of `append`: the batch was never taken, so its number is free."""
    original = in_memory / "original"
    filled(original, b"one", b"two")
    (segment,) = segment_files(original)
    whole = segment.stat().st_size
    high = (original / "accepted").read_bytes()
    with opened(original) as spool:
        take(spool, b"three, which is never taken")
    end = segment.stat().st_size

    for cut in range(whole, end):
        copy = in_memory / f"cut-{cut}"
        shutil.copytree(original, copy)
        os.truncate(segment_files(copy)[0], cut)
        (copy / "accepted").write_bytes(high)  # as it was before `append` returned

        with opened(copy) as spool:
            assert [(entry.sequence, spool.read(entry)) for entry in spool.pending()] == [(1, b"one"), (2, b"two")]
            assert spool.damage.lost == ()
            assert len(spool.damage.aside) == (cut > whole)
            assert take(spool, b"three").sequence == 3
        aside = list((copy / "damaged").iterdir())
        assert b"".join(path.read_bytes() for path in aside) == segment.read_bytes()[whole:cut]
        assert contents(copy) == {(0, 1): b"one", (0, 2): b"two", (0, 3): b"three"}
        shutil.rmtree(copy)


@pytest.mark.parametrize("place", ["open", "sealed"])
def test_a_bit_that_flips_anywhere_costs_at_most_its_batch_and_is_told(in_memory, place):
    """Batches were taken: what is lost is named, the others are sent under their numbers, new ones in a new epoch."""
    original = in_memory / "original"
    with opened(original) as spool:
        for payload in (b"one", b"two", b"three"):
            take(spool, payload)
        if place == "sealed":
            spool.seal()
            take(spool, b"four")
    sent = {(0, 1): b"one", (0, 2): b"two", (0, 3): b"three"} | ({(0, 4): b"four"} if place == "sealed" else {})
    segment = segment_files(original)[0]

    for byte in range(segment.stat().st_size):
        copy = in_memory / f"flip-{byte}"
        shutil.copytree(original, copy)
        damaged = segment_files(copy)[0]
        content = bytearray(damaged.read_bytes())
        content[byte] ^= 1 << byte % 8
        damaged.write_bytes(content)

        with opened(copy) as spool:
            kept = {(0, entry.sequence): spool.read(entry) for entry in spool.pending()}
            lost = {(0, sequence) for _, sequence in spool.damage.lost}
            assert len(lost) <= 1
            assert kept == {key: payload for key, payload in sent.items() if key not in lost}
            fresh = take(spool, b"new")
            assert (len(spool.epochs), fresh.sequence) == ((2, 1) if lost else (1, len(sent) + 1))
        assert contents(copy) == kept | {(1, 1) if lost else (0, len(sent) + 1): b"new"}
        with opened(copy) as spool:
            assert {(0, sequence) for _, sequence in spool.damage.lost} == lost
            assert len(spool.epochs) == (2 if lost else 1)
        shutil.rmtree(copy)


def test_a_payload_that_looks_like_a_spool_is_never_taken_for_one(tmp_path):
    filled(tmp_path / "other", b"of another spool")
    (foreign,) = segment_files(tmp_path / "other")
    filled(tmp_path / "ours", b"one", foreign.read_bytes(), b"three")
    (segment,) = segment_files(tmp_path / "ours")
    content = segment.read_bytes()
    begin = content.index(b'"sequence":2')
    segment.write_bytes(content[:begin] + b"#" + content[begin + 1 :])  # the header over the foreign bytes

    with opened(tmp_path / "ours") as spool:
        assert [(entry.sequence, spool.read(entry)) for entry in spool.pending()] == [(1, b"one"), (3, b"three")]
        assert [sequence for _, sequence in spool.damage.lost] == [2]


def test_half_a_receipt_is_moved_aside_and_its_batch_is_asked_about_again(in_memory):
    with opened(in_memory) as spool:
        entries = [take(spool, b"one"), take(spool, b"two")]
        for entry in entries:
            spool.receive(receipt(entry))
    path = in_memory / "receipts.jsonl"
    first = path.read_bytes().index(b"\n") + 1

    for cut in range(first, path.stat().st_size):
        copy = in_memory / "copy"
        shutil.copytree(in_memory, copy, ignore=lambda *_: ["copy"])
        os.truncate(copy / "receipts.jsonl", cut)
        with opened(copy) as spool:
            assert spool.pending() == entries[1:]
            spool.receive(receipt(entries[1]))
        with opened(copy) as spool:
            assert spool.pending() == []
        shutil.rmtree(copy)


def test_a_receipt_for_other_bytes_is_not_kept(tmp_path):
    with opened(tmp_path) as spool:
        entry = take(spool, b"one")
        other = receipt(segments.Entry(**{**entry.__dict__, "sha256": bytes(32)}))

        with pytest.raises(FatalSpoolError, match="other bytes"):
            spool.receive(other)

        assert spool.pending() == [entry]


def test_a_segment_is_deleted_when_every_batch_has_a_signed_receipt_that_is_old_enough(tmp_path):
    keep = Settings(quota_bytes=10_000_000, reserve_bytes=0, segment_bytes=1, keep_seconds=3_600)
    with opened(tmp_path, keep) as spool:
        entries = [take(spool, b"%d" % number) for number in range(4)]  # a segment each
        for entry, signature in zip(entries, ("signed", "", "signed", "signed"), strict=True):
            spool.receive(receipt(entry, signature=signature))
        too_early = datetime(2025, 7, 15, 3, 59, tzinfo=UTC)

        assert spool.tidy(gateway_time=too_early) == []
        deleted = spool.tidy(gateway_time=LATER)

        # The second has no signature; the last remembers the numbering.
        assert [path.name for path in deleted] == ["0001-0000000000000001.seg", "0001-0000000000000003.seg"]
    with opened(tmp_path, keep) as spool:
        assert spool.damage.lost == ()
        assert spool.pending() == []
        assert take(spool, b"five").sequence == 5


def test_a_refused_batch_is_set_aside_with_its_reason_and_a_correction_takes_its_place(tmp_path):
    with opened(tmp_path) as spool:
        first, second = take(spool, b"bad"), take(spool, b"good")
        spool.refuse(first, reason="UNREADABLE", vi="Không đọc được.", en="It cannot be read.", suffix=".jsonl")

        assert spool.pending() == [second]
        assert (tmp_path / "refused" / "0001-0000000000000001.jsonl").read_bytes() == b"bad"
        with pytest.raises(ValueError, match="was not refused"):
            take(spool, b"corrected", corrects=2)
    with opened(tmp_path) as spool:
        assert next(iter(spool.stock.refused.values())).vi == "Không đọc được."
        corrected = take(spool, b"corrected", corrects=1)
        assert corrected.sequence == 1
    with opened(tmp_path) as spool:
        assert [spool.read(entry) for entry in spool.pending()] == [b"corrected", b"good"]
        assert take(spool, b"next").sequence == 3


def test_a_receipted_batch_is_sent_again_when_the_gateway_lost_it(tmp_path):
    with opened(tmp_path) as spool:
        entry = take(spool, b"one")
        spool.receive(receipt(entry))
        assert spool.send_again([(spool.epoch, 1), (spool.epoch, 9)]) == [(spool.epoch, 9)]
    with opened(tmp_path) as spool:
        assert spool.pending() == [entry]
        spool.receive(receipt(entry))
        assert spool.pending() == []
    assert contents(tmp_path) == {}


def test_only_one_process_writes(tmp_path):
    with opened(tmp_path):
        with pytest.raises(FatalSpoolError, match=f"process {os.getpid()} writes"):
            with opened(tmp_path):
                pass
    with opened(tmp_path) as spool:
        assert take(spool, b"one").sequence == 1


def test_the_spool_of_another_source_is_refused(tmp_path):
    filled(tmp_path, b"one")
    identity = tmp_path / "spool.json"
    identity.write_text(identity.read_text().replace(SOURCE, "lao-cai.population"))

    with pytest.raises(FatalSpoolError, match="lao-cai"):
        with opened(tmp_path):
            pass


def test_looking_changes_nothing_and_works_while_an_agent_writes(tmp_path):
    with opened(tmp_path) as spool:
        take(spool, b"one")
        spool.receive(receipt(take(spool, b"two2")))
        before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}

        found = holdings(tmp_path, check_payloads=False)

        assert summary(found.stock, found.epochs) == {
            "batches_owed": 1,
            "bytes_owed": 3,
            "oldest_waiting": "2025-07-10T08:00:00+07:00",
            "refused": 0,
            "receipts": 1,
        }
        assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_the_quota_is_kept_and_warned_of_before_it_is_used_up(tmp_path):
    settings = Settings(quota_bytes=10_000, reserve_bytes=0, segment_bytes=100_000)
    with opened(tmp_path, settings) as spool:
        take(spool, bytes(7_000))
        assert not spool.is_alarming
        take(spool, bytes(1_000))
        assert spool.is_alarming
        with pytest.raises(RetryableSpoolFullError, match="quota"):
            take(spool, bytes(2_000))
        assert take(spool, bytes(100)).sequence == 3


def test_the_reserve_of_the_disk_is_left_alone(tmp_path):
    with opened(tmp_path, Settings(reserve_bytes=2**62)) as spool:
        with pytest.raises(RetryableSpoolFullError, match="nearly full"):
            take(spool, b"one")


def test_a_full_disk_refuses_before_anything_is_taken(tmp_path):
    """A disk of 4 MB where the tests run as root and may mount one, else a limit on the size of a file."""
    full_disk = ROOT / "tests" / "gateway" / "agent" / "full_disk.py"
    mounting = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
    begin = ["unshare", "--mount"] if mounting and os.geteuid() == 0 else []

    ended = subprocess.run(
        [*begin, sys.executable, str(full_disk), str(tmp_path), *(["mount"] if begin else [])],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("refused after ")


def test_a_limit_on_the_size_of_files_refuses_before_anything_is_taken(tmp_path):
    settings = Settings(quota_bytes=2**40, reserve_bytes=0, segment_bytes=2**40)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path, settings) as spool:
        take(spool, b"one")
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(RetryableSpoolFullError):
                take(spool, bytes(60_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert take(spool, b"two").sequence == 2
    assert contents(tmp_path) == {(0, 1): b"one", (0, 2): b"two"}


def _write_for_ever(folder: Path, written: "multiprocessing.connection.Connection") -> None:
    with opened(folder) as spool:
        for number in range(100_000):
            entry = take(spool, b"%d" % number * 50)
            written.send(entry.sequence)


@pytest.mark.parametrize("after", [1, 7, 40])
def test_a_writer_that_is_killed_has_kept_what_it_took(tmp_path, after):
    receiving, sending = multiprocessing.get_context("spawn").Pipe(duplex=False)
    writer = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(tmp_path, sending))
    writer.start()
    told = [receiving.recv() for _ in range(after)]
    writer.kill()
    writer.join()
    while receiving.poll():
        told.append(receiving.recv())

    with opened(tmp_path) as spool:
        kept = spool.pending()
        assert [entry.sequence for entry in kept] == list(range(1, len(kept) + 1))
        assert told == list(range(1, len(told) + 1))
        assert len(kept) - len(told) in {0, 1}  # one may have been taken and not told
        assert [spool.read(entry) for entry in kept] == [b"%d" % number * 50 for number in range(len(kept))]
        assert len(spool.epochs) == 1
