"""The local web page of ``ttm-sk app``: drop a file, choose columns, see the forecast beside its own past.

It serves the loopback interface only, keeps everything in memory, fetches nothing from elsewhere, and computes
nothing by itself: the work is that of ``data``, ``estimators`` and ``evaluation``.
"""
