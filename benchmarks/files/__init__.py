"""Files that the suite reads back: how they are read, checked and written, and what each kind of file holds.

Each kind of JSON file has one definition, a class of msgspec. `reading` checks a file against it, and
`python -m benchmarks.files.json_schema` exports all of them as JSON Schemas.
"""
