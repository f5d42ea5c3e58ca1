"""`runyard demo`: trains on real data and logs it with the stock MLflow client.

Nothing outside this package imports MLflow, scikit-learn, pandas or matplotlib for it: they come with the
extra `runyard[demo]`. `isolation`, `address`, `progress` and `errors` import none of them, so that a wrong
address is told before seconds of imports.
"""
