//! `postern stdio`: clients that spawn their servers reach the running gateway through it.
//!
//! One message per line comes in, goes to the gateway's Streamable HTTP endpoint with the caller's key, and what
//! comes back leaves one message per line. It decides nothing and knows no tool server: it turns one transport into
//! the other, in both eras, and sees to it that every request gets an answer.

mod arguments;
mod bridge;
mod desk;
mod gateway;
mod hear;
mod legacy;
mod listen;
mod lost;
mod modern;
mod pause;
mod pipes;
mod running;
mod said;
mod standing;
mod start;
mod tools;

pub(super) use arguments::Arguments;
pub(super) use start::stdio;

#[cfg(test)]
mod tests;
