//! What may not allocate, and what may not hold much: counted by an allocator that every thread of this process uses, hence
//! a process of their own.

#[path = "../avro_support/mod.rs"]
mod avro_support;
#[path = "../counting/mod.rs"]
mod counting;
#[path = "../fakes/mod.rs"]
mod fakes;

mod avro;
mod bombs;
mod compare;
mod lane;
