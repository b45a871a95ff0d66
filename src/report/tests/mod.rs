//! What reports promise, on a real store in a folder of its own.

mod bundle;
mod counts;
mod pages;
mod standards;
mod support;
