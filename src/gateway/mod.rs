//! The one road of a call (the policy enforcement point, PEP).

mod admission;

pub use admission::{Admission, AdmissionError, Admit, Charge};
