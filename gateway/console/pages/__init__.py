"""The pages, one module a noun, each with its `ROUTES`. gateway/console/doors.py says what a page is."""
