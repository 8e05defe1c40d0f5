-- write/packed: a stream of finished rows as one data file with large row groups
-- The Arrow schema and the `datasets` features ride along as metadata, so that readers restore the declared types.
-- Row groups are sized in rows: sized in bytes, every batch would be one as soon as several threads write.
-- reads:  batches
-- params: $path, $row_group_rows, $huggingface, $arrow_schema
-- gives:  nothing
copy (from batches) to $path (
    format parquet,
    compression snappy,
    row_group_size $row_group_rows,
    kv_metadata {huggingface: $huggingface, "ARROW:schema": $arrow_schema}
)
