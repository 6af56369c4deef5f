//! Floor 1: Kubernetes manifests and the OCI image, as pure functions of their options. The tag of
//! the image and the tag in the manifests are one constant.

pub mod image;
pub mod manifest;
#[cfg(test)]
mod tests;

use crate::kernel::VERSION;

/// `localhost/` on purpose: a node that lacks the image fails plainly, and never asks a public
/// registry for somebody else's image of this name.
pub const REPOSITORY: &str = "localhost/crannog";
/// Where the server listens and keeps its state in the container.
pub const HTTP_PORT: u16 = 5000;
pub const S3_PORT: u16 = 9000;
pub const DATA_DIR: &str = "/var/lib/crannog";
/// The conventional "nonroot" user of images without a distribution.
pub const UID: u64 = 65532;

/// The name under which this version's image is imported.
pub fn image_name() -> String {
    format!("{REPOSITORY}:{VERSION}")
}
