"""Code tables with their dates: units and the crosswalk, sexes, ethnic groups, relations, name weights.

The tables are CSV files beside this page, described in README.md. A later event (a merger, a rename) is
new rows with their own dates; no code changes.
"""
