"""Files of the formats to the byte: mp4 and parquet. Nothing here knows what a dataset is."""
