"""Classical baselines: features of vibration windows and scikit-learn classifiers on them."""
