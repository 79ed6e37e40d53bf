"""Building blocks of the models: tensors in, tensors out, configured by numbers and never by a config.

The axes are words in one fixed order, here and everywhere else: ``batch channel time`` for series,
``batch channel patch feature`` between patching and the head, ``horizon`` and ``quantile`` behind it.
``observed`` is True where a value is real; a left pad and a missing value are False.
"""
