//! Compensating controls: health, preconditions and duties.
