"""From a module to a forecast of any horizon: numpy around a callable, so that every backend takes the same walk."""
