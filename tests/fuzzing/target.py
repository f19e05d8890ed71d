"""One dialect under the fuzzer: `python -m tests.fuzzing.target DIALECT [libFuzzer options]`."""

import io
import struct
import sys
import zipfile
import zlib

import atheris

with atheris.instrument_imports(include=["adapters"]):
    from adapters.declaration import FileFormat, read_dialect
    from tests.adapters.conformance import sample_source
    from tests.fuzzing.verdict import DIALECTS, judge


def main() -> None:
    """Hand over to the fuzzer, which ends the process."""
    name = sys.argv.pop(1)
    dialect = read_dialect(next(folder for folder in DIALECTS if folder.name == name))
    source, exported_on = sample_source(dialect), dialect.sample.exported_on

    def once(payload: bytes) -> None:
        judge(payload, source=source, exported_on=exported_on)

    packed = {"custom_mutator": mutate_part} if dialect.file.format is FileFormat.XLSX else {}
    atheris.Setup(sys.argv, once, **packed)
    atheris.Fuzz()


def mutate_part(payload: bytes, longest: int, seed: int) -> bytes:
    """A workbook with one of its parts mutated; mutated as a whole it would only ever be a broken archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, OSError, KeyError, struct.error, zlib.error):
        parts = {}
    if not parts or seed % 8 == 0:  # now and then the archive itself
        return bytes(atheris.Mutate(payload, longest))
    chosen = sorted(parts)[seed // 8 % len(parts)]
    parts[chosen] = bytes(atheris.Mutate(parts[chosen], longest))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    whole = sink.getvalue()
    return whole if len(whole) <= longest else bytes(atheris.Mutate(payload, longest))


if __name__ == "__main__":
    main()
