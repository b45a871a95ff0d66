//! What is watched at a server: resources for updates, tasks for news.

mod book;
mod follow;

use book::Standing;
pub(super) use book::Watches;
pub(super) use follow::{Beat, Listen, follow};
