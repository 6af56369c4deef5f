//! Pipelines with real task processes: the binary under test is the supervisor. `engine` drives
//! the service inside this process, `api` and `killed` the real server over HTTP.

mod api;
mod cli;
mod engine;
mod house;
mod killed;
mod supervisor;
