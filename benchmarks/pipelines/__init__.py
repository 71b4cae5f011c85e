"""The jobs of training and ETL, out of evcodec and out of its peers: `python -m benchmarks.pipelines`."""
