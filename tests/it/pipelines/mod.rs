//! Pipelines with real task processes: the binary under test is the supervisor. `engine` drives
//! the service inside this process, where a "server" can be dropped and made anew at will.

mod engine;
mod supervisor;
