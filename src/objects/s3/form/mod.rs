//! Uploads by HTML form.

mod fields;
mod policy;
mod signature;
