"""mp4 and parquet files to the byte. Nothing here knows what a dataset is."""
