//! Files and environment to checked settings; all faults at once.
