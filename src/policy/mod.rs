//! Documents in, decisions out; pure (the policy decision point).
