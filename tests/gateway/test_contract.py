"""The contract as a whole: what the linters say of it, what clients are told to retry, what the docs show of it."""

import hashlib
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from gateway import contract, rules, v1
from gateway.client import channel
from gateway.generating import ROOT
from gateway.v1 import intake_pb2

INTAKE = "gateway/v1/intake.proto"
WIRE = ROOT / "docs/wire.md"


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract as one descriptor set."""
    path = tmp_path_factory.mktemp("contract") / "present.binpb"
    contract.image(path, with_comments=True)
    return path


def methods() -> list[MethodDescriptor]:
    """Every method of the contract."""
    names = [one.name for one in pkgutil.iter_modules(v1.__path__) if one.name.endswith("_pb2")]
    files = [importlib.import_module(f"gateway.v1.{name}").DESCRIPTOR for name in names]
    return [method for file in files for service in file.services_by_name.values() for method in service.methods]


def test_the_contract_keeps_the_rules_and_only_adds_to_the_released_one(present: Path) -> None:
    assert contract.complaints(present) == []


def _without_a_field(file: FileDescriptorProto) -> None:
    hello = next(message for message in file.message_type if message.name == "Hello")
    del hello.field[1]


def _renumbered(file: FileDescriptorProto) -> None:
    hello = next(message for message in file.message_type if message.name == "Hello")
    hello.field[1].number = 19


def _without_a_method(file: FileDescriptorProto) -> None:
    del file.service[0].method[1]


def _misnamed(file: FileDescriptorProto) -> None:
    file.enum_type[0].value[1].name = "SourceFile"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_a_field, '"epoch" on message "Hello" was deleted'),
        (_renumbered, 'field "2" with name "epoch" on message "Hello" was deleted'),
        (_without_a_method, '"SubmitUpdate" on service "IntakeService" was deleted'),
        (_misnamed, 'Enum value name "SourceFile" should be'),
    ],
)
def test_what_would_break_a_client_or_the_style_is_named(
    present: Path, tmp_path: Path, change: Callable[[FileDescriptorProto], None], said: str
) -> None:
    files = FileDescriptorSet.FromString(present.read_bytes())
    change(next(file for file in files.file if file.name == INTAKE))
    changed = tmp_path / "changed.binpb"
    changed.write_bytes(files.SerializeToString())

    complaints = contract.complaints(changed)

    assert any(said.lower() in line.lower() for line in complaints), complaints


def test_the_released_contract_holds_all_that_it_imports() -> None:
    files = FileDescriptorSet.FromString(contract.RELEASED.read_bytes()).file

    names = {file.name for file in files}
    assert INTAKE in names
    assert {needed for file in files for needed in file.dependency} <= names


def test_every_method_is_in_the_service_config_once_and_only_what_may_be_repeated_is_retried() -> None:
    config = json.loads((ROOT / "proto/gateway/v1/service_config.json").read_text())
    named: dict[str, dict[str, object]] = {}
    for entry in config["methodConfig"]:
        for name in entry["name"]:
            for method in methods():
                is_meant = name.get("method") in {None, method.name}
                if method.containing_service.full_name == name["service"] and is_meant:
                    assert method.full_name not in named
                    named[method.full_name] = entry

    assert set(named) == {method.full_name for method in methods()}
    for method in methods():
        entry = named[method.full_name]
        if method.client_streaming or method.server_streaming:
            assert "retryPolicy" not in entry, "a stream is resumed, not retried"
            assert "timeout" not in entry
        else:
            retried = entry["retryPolicy"]
            assert isinstance(retried, dict)
            assert retried["retryableStatusCodes"] == ["UNAVAILABLE"]
            assert retried["maxAttempts"] <= 5
            assert entry["timeout"] == f"{channel.DEADLINE_SECONDS:g}s"
    assert config["retryThrottling"] == {"maxTokens": 10, "tokenRatio": 0.1}


def test_the_client_uses_the_published_service_config() -> None:
    published = (ROOT / "proto/gateway/v1/service_config.json").read_text()

    assert published == channel.SERVICE_CONFIG


def test_the_released_contract_is_all_that_a_compiler_needs(tmp_path: Path) -> None:
    shown = re.search(r"protoc --descriptor_set_in=(\S+) --java_out=src \\\n(.*?)```", WIRE.read_text(), re.DOTALL)
    assert shown is not None
    named = shown[2].replace("\\", " ").split()

    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={ROOT / shown[1]}"]
    subprocess.run([*command, f"--python_out={tmp_path}", *named], check=True)

    ours = {path.relative_to(ROOT / "proto").as_posix() for path in (ROOT / "proto").rglob("*.proto")}
    assert ours <= set(named)
    assert len(list(tmp_path.rglob("*_pb2.py"))) == len(named)


def examples() -> list[tuple[str, str]]:
    """The calls that docs/wire.md shows: what is sent, and the method."""
    text = WIRE.read_text()
    return re.findall(r"grpcurl [^']*?-d '([^']*)'[^']*? (gateway\.v1\.\w+/\w+)", text)


def test_the_docs_show_a_call_of_each_service() -> None:
    shown = {method.partition("/")[0] for _, method in examples()}

    assert shown == {method.containing_service.full_name for method in methods()}


@pytest.mark.parametrize(("sent", "method"), examples())
def test_what_the_docs_show_is_of_the_contract_and_keeps_its_rules(sent: str, method: str) -> None:
    service, _, name = method.partition("/")
    found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    decoder, place, messages = json.JSONDecoder(), 0, []
    while place < len(sent.rstrip()):
        one, place = decoder.raw_decode(sent, place + len(sent[place:]) - len(sent[place:].lstrip()))
        messages.append(json_format.ParseDict(one, message_factory.GetMessageClass(found.input_type)()))

    assert messages
    for message in messages:
        rules.check(message)
        if isinstance(message, intake_pb2.PushRequest) and message.HasField("batch"):
            assert hashlib.sha256(message.batch.payload).digest() == message.batch.sha256
