"""Series in, batches of windows out; numpy and torch only (pandas lives in :mod:`ttm_sk.data.tables`)."""
