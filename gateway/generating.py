"""proto/gateway/v1 ──► gateway/v1: the generated code, written anew (`make proto`) or compared (`--check`).

A tool of the developers: it needs the compiler of the development dependencies and is never imported by the gateway.
"""

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("gateway/v1")
_INIT = '"""Generated from proto/gateway/v1 by `make proto`. Never edited by hand."""\n'


def generate(into: Path) -> None:
    """Write the code of every file of proto/gateway/v1 to `into`/gateway/v1. Raises CalledProcessError on bad proto."""
    from google.rpc import status_pb2  # noqa: PLC0415  its folder holds the imported google/*.proto

    binaries = Path(sys.executable).parent
    plugins = [f"--plugin={path}" for path in sorted(binaries.glob("protoc-gen-mypy*"))]
    sources = sorted((ROOT / "proto" / PACKAGE).glob("*.proto"))
    outputs = [f"--{name}_out={into}" for name in ("python", "mypy", "grpc_python", "mypy_grpc")]
    includes = [f"--proto_path={ROOT / 'proto'}", f"--proto_path={Path(status_pb2.__file__).parents[2]}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *plugins, *outputs, *map(str, sources)]
    subprocess.run(command, check=True, stderr=subprocess.PIPE)  # the plugins name each file they write there
    for source in sources:
        if not any(line.startswith("service ") for line in source.read_text().splitlines()):
            for suffix in ("py", "pyi"):
                (into / PACKAGE / f"{source.stem}_pb2_grpc.{suffix}").unlink()
    (into / PACKAGE / "__init__.py").write_text(_INIT)


def differing(generated: Path, committed: Path) -> list[str]:
    """The names of files that are missing, too many or different in `committed`."""
    names = {path.name for folder in (generated, committed) for path in folder.glob("*.py*")}
    _, mismatch, errors = filecmp.cmpfiles(generated, committed, sorted(names), shallow=False)
    return sorted(mismatch + errors)


def main(arguments: list[str]) -> int:
    """Generate in place; with `--check` only say, by exit code 1, that the committed code is not the generated one."""
    committed = ROOT / PACKAGE
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        generated = Path(folder) / PACKAGE
        if arguments == ["--check"]:
            stale = differing(generated, committed)
            for name in stale:
                sys.stderr.write(f"{PACKAGE / name} is not what proto/{PACKAGE} generates. Next: run `make proto`.\n")
            return int(bool(stale))
        shutil.rmtree(committed, ignore_errors=True)
        shutil.copytree(generated, committed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
