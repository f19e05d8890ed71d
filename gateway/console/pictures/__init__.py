"""Pictures for people who would rather look than read: values to SVG, pure, one kind of picture a module."""
