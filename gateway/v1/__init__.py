"""Generated from proto/gateway/v1 by `make proto`. Never edited by hand."""

SERVICE_CONFIG = """\
{
  "methodConfig": [
    {
      "name": [
        {"service": "gateway.v1.StatusService", "method": "GetUpdateStatus"},
        {"service": "gateway.v1.StatusService", "method": "ListFindings"},
        {"service": "gateway.v1.FeedService", "method": "Fetch"},
        {"service": "gateway.v1.FeedService", "method": "Acknowledge"},
        {"service": "gateway.v1.FeedService", "method": "Report"},
        {"service": "gateway.v1.FeedService", "method": "GetCursor"},
        {"service": "gateway.v1.FeedService", "method": "Replay"},
        {"service": "gateway.v1.FeedService", "method": "GetSnapshot"},
        {"service": "gateway.v1.UnitsService"},
        {"service": "gateway.v1.StewardshipService"},
        {"service": "gateway.v1.IntakeService", "method": "SubmitUpdate"},
        {"service": "gateway.v1.IntakeService", "method": "SubmitSignatures"},
        {"service": "gateway.v1.IntakeService", "method": "AttestSilence"},
        {"service": "gateway.v1.IntakeService", "method": "CompareBatches"},
        {"service": "gateway.v1.IntakeService", "method": "DescribeSource"}
      ],
      "waitForReady": false,
      "timeout": "30s",
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        {"service": "gateway.v1.IntakeService", "method": "Push"},
        {"service": "gateway.v1.StatusService", "method": "WatchUpdates"},
        {"service": "gateway.v1.FeedService", "method": "Watch"},
        {"service": "gateway.v1.FeedService", "method": "DownloadSnapshot"}
      ],
      "waitForReady": false
    }
  ],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}
"""
