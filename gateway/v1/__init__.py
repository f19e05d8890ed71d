"""Generated from proto/gateway/v1 by `make proto`. Never edited by hand."""
