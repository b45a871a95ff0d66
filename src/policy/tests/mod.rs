//! What the decision point promises.
