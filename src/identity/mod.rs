//! Who is calling, and for whom.
