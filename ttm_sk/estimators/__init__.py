"""The core in the shapes that sktime and scikit-learn users know."""
