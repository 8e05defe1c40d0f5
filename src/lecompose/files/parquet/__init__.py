"""What pyarrow does not offer of parquet files: their footers, schemas and pages, to the byte.

thrift          the encoding of footers and page headers; encode_structs: many structs at once
footers         what each column chunk holds, and the footer of a file of copied chunks
pages           page headers, and new pages of whole numbers
schema_cache    schemas of many files that are alike

Where row groups are copied: `composition/stages/data/copy_row_groups.py`.
"""
