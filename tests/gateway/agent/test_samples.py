"""The samples of docs/ name what the proto has: every method, message, field and value of an enum."""

import re

import pytest
from google.protobuf.descriptor import Descriptor

from gateway.v1 import intake_pb2
from tests.gateway.conftest import ROOT

SAMPLES = ROOT / "docs" / "samples"
FILE = intake_pb2.DESCRIPTOR
SERVICE = FILE.services_by_name["IntakeService"]
# What the samples call of google.type.Date, google.protobuf.Timestamp and google.rpc.Status.
WELL_KNOWN = {"year", "month", "day", "seconds", "nanos", "message"}
FIELDS = {field.name for message in FILE.message_types_by_name.values() for field in message.fields} | WELL_KNOWN
VALUES = {value.name for enum in FILE.enum_types_by_name.values() for value in enum.values}


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def message(name: str) -> Descriptor:
    assert name in FILE.message_types_by_name, name
    return FILE.message_types_by_name[name]


def test_grpcurl_calls_methods_that_are_there_with_fields_they_have():
    text = sample("grpcurl.sh")
    calls = re.findall(r"gateway\.v1\.IntakeService/(\w+)", text)
    names = set(re.findall(r'\\?"([a-z][a-z0-9_]*)\\?":', text))
    values = set(re.findall(r"BATCH_FORMAT_\w+", text))

    assert calls == ["DescribeSource", "Push", "AttestSilence", "CompareBatches"]
    assert [one for one in calls if one not in SERVICE.methods_by_name] == []
    assert len(names) > 12
    assert names - FIELDS == set()
    assert values
    assert values <= VALUES


@pytest.mark.parametrize("name", ["Batches.java", "Push.java"])
def test_java_names_messages_and_fields_that_are_there(name):
    text = sample(name)
    imported = re.findall(r"import gateway\.v1\.Intake\.(\w+);", text)
    used = {snake(one) for one in re.findall(r"\.(?:set|has|get)([A-Z]\w*)\(", text)} - JAVA_ITSELF
    values = set(re.findall(r"BATCH_FORMAT_\w+", text))

    assert imported
    for one in imported:
        assert one in FILE.message_types_by_name or one in FILE.enum_types_by_name
    assert len(used) >= 6
    assert used - FIELDS == set()
    assert values <= VALUES


JAVA_ITSELF = {"instance", "epoch_second", "nano", "month_value", "day_of_month"}


def test_c_sharp_sets_fields_that_each_message_has():
    text = sample("Push.cs")
    read = re.findall(r"(?:welcome|answer|Receipt|Limits|Refusal)\.([A-Z]\w*)", text)

    for name in ("Hello", "Batch"):
        found = re.search(rf"\n( +){name} = new {name}\n +\{{\n(.*?)\n\1\}}", text, re.DOTALL)
        assert found is not None
        fields = re.findall(rf"^{found[1]}    ([A-Z]\w*) =", found[2], re.MULTILINE)
        assert len(fields) >= 4
        assert set(fields) <= {camel(field.name) for field in message(name).fields}
    assert "BatchFormat.SourceFile" in text  # BATCH_FORMAT_SOURCE_FILE, without the prefix as C# has it
    messages = {"Receipt", "Limits", "Refusal", "Welcome", "Status", "MessageCase"}
    assert set(read) - messages - {camel(one) for one in FIELDS} == set()
    assert "client.Push()" in text


def test_the_names_that_are_looked_for_are_looked_at():
    """A misspelt field would be found."""
    assert "last_durable_sequence" in FIELDS
    assert "last_durable_sequense" not in FIELDS
    assert snake("LastDurableSequence") == "last_durable_sequence"
    assert camel("sha256") == "Sha256"
    assert "BATCH_FORMAT_SOURCE_FILE" in VALUES
