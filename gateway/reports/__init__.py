"""What a dry run found, for people and for machines: JSON, a page, a spreadsheet, a terminal. No record's values."""
