#!/bin/sh
# A registry by hand, with grpcurl. usage: grpcurl-feed.sh HOST:PORT CONSUMER_ID
# With certificates: add -cert registry.crt -key registry.key -cacert authorities.crt and leave out -plaintext.
set -eu
GATEWAY=$1 CONSUMER=$2
CALL="grpcurl -plaintext -import-path proto -proto gateway/v1/feed.proto -max-time 30"

# Where we stand, and how far behind.
$CALL -d "{\"consumer_id\": \"$CONSUMER\"}" "$GATEWAY" gateway.v1.FeedService/GetCursor

# What comes next, at most ten changes; each arrow_stream is an Arrow IPC stream in base64.
PAGE=$($CALL -d "{\"consumer_id\": \"$CONSUMER\", \"page_size\": 10}" "$GATEWAY" gateway.v1.FeedService/Fetch)
CURSOR=$(printf %s "$PAGE" | sed -n 's/.*"nextCursor": "\([^"]*\)".*/\1/p')

# Once the page is safe with us: confirm it, and say what was done with its changes.
$CALL -d "{\"consumer_id\": \"$CONSUMER\", \"cursor\": \"$CURSOR\"}" "$GATEWAY" gateway.v1.FeedService/Acknowledge
$CALL -d "{\"consumer_id\": \"$CONSUMER\", \"outcomes\": [
    {\"feed_sequence\": 1, \"kind\": \"OUTCOME_KIND_APPLIED\"},
    {\"feed_sequence\": 2, \"kind\": \"OUTCOME_KIND_REFUSED\", \"reason\": \"NAME_DIFFERS\"}]}" \
    "$GATEWAY" gateway.v1.FeedService/Report

# Everything from there on until we are current; without until_current it goes on.
$CALL -d "{\"consumer_id\": \"$CONSUMER\", \"cursor\": \"$CURSOR\", \"until_current\": true}" \
    "$GATEWAY" gateway.v1.FeedService/Watch

# The newest snapshot, and the bytes of one of its files.
$CALL -d "{\"consumer_id\": \"$CONSUMER\"}" "$GATEWAY" gateway.v1.FeedService/GetSnapshot
$CALL -d "{\"consumer_id\": \"$CONSUMER\", \"snapshot_id\": \"1-000000000010\", \"file\": \"person.parquet\",
    \"offset\": 0}" "$GATEWAY" gateway.v1.FeedService/DownloadSnapshot
