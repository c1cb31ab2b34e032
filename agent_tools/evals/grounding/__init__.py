"""How well events are found in time, and the fit of the calibrations that ship."""
