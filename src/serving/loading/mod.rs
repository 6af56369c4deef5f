//! From an address to a model in memory: what is found and read, what keeps it, and who follows an address.

mod example;
pub mod follow;
pub mod follower;
pub mod load;
pub mod mlmodel;
pub mod runner;
pub mod shelf;
