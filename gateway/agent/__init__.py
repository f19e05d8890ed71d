"""What runs at a province: files or rows in, a spool on disk, batches out to the gateway, receipts kept.

Light on purpose: nothing here needs the gateway's database, its readers or its schedules (docs/agent.md).
"""
