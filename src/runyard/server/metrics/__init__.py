"""ENGINE: time series. Appends, summaries, histories, samples and charts of series of points."""
