"""The interface of Samay's TinyTimeMixer over this package: a model, its windows of a CSV file, and the metrics.

Scripts written for it change the line that imports: ``from ttm_sk.samay import TinyTimeMixerModel``. See
``docs/samay.md`` for what each argument does here.
"""

from ttm_sk.samay.dataset import TinyTimeMixerDataset
from ttm_sk.samay.metric import mae, mape, mse, rmse
from ttm_sk.samay.model import TinyTimeMixerModel

__all__ = ["TinyTimeMixerDataset", "TinyTimeMixerModel", "mae", "mape", "mse", "rmse"]
