-- write/packed: a stream of finished rows as one data file with large row groups
-- The Arrow schema and the `datasets` features ride along as metadata, so that readers restore the declared types.
-- reads:  batches
-- params: $path, $huggingface, $arrow_schema
-- gives:  nothing
copy (from batches) to $path (
    format parquet,
    compression snappy,
    row_group_size_bytes '64MB',
    kv_metadata {huggingface: $huggingface, "ARROW:schema": $arrow_schema}
)
