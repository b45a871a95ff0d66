//! SQLite behind the ports of the rooms; one transaction where one is needed.
