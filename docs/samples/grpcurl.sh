#!/bin/sh
# A source by hand, with grpcurl. Bytes are base64 in JSON. usage: grpcurl.sh HOST:PORT SOURCE_ID FILE yyyy-mm-dd
# With certificates: add -cert agent.crt -key agent.key -cacert authorities.crt and leave out -plaintext.
set -eu
GATEWAY=$1 SOURCE=$2 FILE=$3 DAY=$4
EPOCH=by-hand
SHA256=$(openssl dgst -sha256 -binary "$FILE" | base64 -w0)
YEAR=${DAY%%-*} REST=${DAY#*-}
MONTH=${REST%-*} NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)
CALL="grpcurl -plaintext -import-path proto -proto gateway/v1/intake.proto -max-time 30"

# What may be sent for the source, and what has come.
$CALL -d "{\"source_id\": \"$SOURCE\"}" "$GATEWAY" gateway.v1.IntakeService/DescribeSource

# A Hello, then a Batch; a Welcome and a Receipt (or a Refusal with its reason) come back.
$CALL -d @ "$GATEWAY" gateway.v1.IntakeService/Push <<JSON
{"hello": {"source_id": "$SOURCE", "epoch": "$EPOCH", "client_software": "grpcurl", "client_time": "$NOW"}}
{"batch": {
  "sequence": 1,
  "format": "BATCH_FORMAT_SOURCE_FILE",
  "payload": "$(base64 -w0 "$FILE")",
  "sha256": "$SHA256",
  "exported_on": {"year": ${YEAR#0}, "month": ${MONTH#0}, "day": $(expr "${DAY##*-}" + 0)}
}}
JSON

# Nothing was made after batch 1.
$CALL -d "{\"source_id\": \"$SOURCE\", \"epoch\": \"$EPOCH\", \"up_to_sequence\": 1, \"stated_at\": \"$NOW\"}" \
    "$GATEWAY" gateway.v1.IntakeService/AttestSilence

# Does the gateway hold what we hold? The root of one leaf: SHA-256 of 0x00, the sequence as 8 bytes, and the SHA-256.
ROOT=$({ printf '\000\000\000\000\000\000\000\000\001'; openssl dgst -sha256 -binary "$FILE"; } |
    openssl dgst -sha256 -binary | base64 -w0)
$CALL -d "{\"source_id\": \"$SOURCE\", \"epoch\": \"$EPOCH\", \"first_sequence\": 1, \"last_sequence\": 1,
    \"merkle_root\": \"$ROOT\"}" "$GATEWAY" gateway.v1.IntakeService/CompareBatches
