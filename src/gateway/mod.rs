//! The one road of a call (the policy enforcement point).
