"""proto/gateway/v1 ──► gateway/v1: the generated code, written anew (`make proto`) or compared (`--check`).

A tool of the developers: it needs the compiler of the development dependencies and is never imported by the gateway.
"""

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from protovalidate import ViolationPb

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("gateway/v1")
_INIT = '''\
"""Generated from proto/gateway/v1 by `make proto`. Never edited by hand."""

SERVICE_CONFIG = """\\
{}"""
'''
# The language of the rules beside the fields has its descriptor in the installed protovalidate, and no file of its own.
_RULES_IMPORT = "from buf.validate import validate_pb2"
_RULES_MODULE = '''\
"""The language of the contract's rules, as the installed protovalidate has it. Written by `make proto`."""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile({!r})
'''


def compile_contract(*arguments: str) -> None:
    """Run the compiler over every file of proto/gateway/v1. Raises CalledProcessError on bad proto."""
    from google.rpc import status_pb2  # noqa: PLC0415  its folder holds the imported google/*.proto

    sources = sorted((ROOT / "proto" / PACKAGE).glob("*.proto"))
    includes = [f"--proto_path={ROOT / 'proto'}", f"--proto_path={Path(status_pb2.__file__).parents[2]}"]
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.binpb"
        rules.write_bytes(_rules_descriptors().SerializeToString())
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={rules}", *includes, *arguments]
        subprocess.run([*command, *map(str, sources)], check=True, stderr=subprocess.PIPE)  # plugins name files there


def generate(into: Path) -> None:
    """Write the code of every file of proto/gateway/v1 to `into`/gateway/v1. Raises CalledProcessError on bad proto."""
    binaries = Path(sys.executable).parent
    plugins = [f"--plugin={path}" for path in sorted(binaries.glob("protoc-gen-mypy*"))]
    compile_contract(*plugins, *(f"--{name}_out={into}" for name in ("python", "mypy", "grpc_python", "mypy_grpc")))
    for source in sorted((ROOT / "proto" / PACKAGE).glob("*.proto")):
        if not any(line.startswith("service ") for line in source.read_text().splitlines()):
            for suffix in ("py", "pyi"):
                (into / PACKAGE / f"{source.stem}_pb2_grpc.{suffix}").unlink()
    for module in sorted((into / PACKAGE).glob("*_pb2.py")):
        module.write_text(module.read_text().replace(_RULES_IMPORT, "from gateway.v1 import validate_pb2"))
    (into / PACKAGE / "validate_pb2.py").write_text(_RULES_MODULE.format(_rules_descriptor()))
    config = (ROOT / "proto" / PACKAGE / "service_config.json").read_text()
    (into / PACKAGE / "__init__.py").write_text(_INIT.format(config))


def _rules_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """buf/validate/validate.proto and what it imports."""
    files = descriptor_pb2.FileDescriptorSet()
    for imported in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        imported.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(_rules_descriptor())
    return files


def _rules_descriptor() -> bytes:
    return ViolationPb.desc().file.proto.to_binary()


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
