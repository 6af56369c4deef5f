//! `crannog k8s render`: the manifests of a single-pod installation.

use super::{Failure, print};
use crate::{
    kernel::id,
    kubernetes::{
        image_name,
        manifest::{Options, Password, render},
    },
};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Print the manifests: crannog k8s render | kubectl apply -f -
    Render(Render),
}

#[derive(clap::Args)]
pub struct Render {
    /// The namespace to make
    #[arg(long, default_value = "crannog")]
    namespace: String,
    /// The image, with a fixed tag [default: the one `crannog image` writes]
    #[arg(long)]
    image: Option<String>,
    /// The storage class [default: the cluster's default]
    #[arg(long)]
    storage_class: Option<String>,
    /// The size of the volume
    #[arg(long, default_value = "20Gi")]
    size: String,
    /// A PersistentVolumeClaim that exists in the namespace, for daily backups
    #[arg(long, value_name = "NAME")]
    backup_claim: Option<String>,
    /// A Secret that exists, whose key `password` is the administrator's first password
    /// [default: a new Secret with a random one]
    #[arg(long, value_name = "NAME")]
    admin_secret: Option<String>,
    /// Add a NetworkPolicy that lets only pods of the namespace in
    #[arg(long)]
    network_policy: bool,
}

pub fn run(command: &Command) -> Result<(), Failure> {
    let Command::Render(given) = command;
    let password =
        given.admin_secret.clone().map_or_else(|| Password::New(id::secret(24)), Password::Existing);
    let generated = matches!(password, Password::New(_));
    let options = Options {
        namespace: given.namespace.clone(),
        image: given.image.clone().unwrap_or_else(image_name),
        storage_class: given.storage_class.clone(),
        size: given.size.clone(),
        backup_claim: given.backup_claim.clone(),
        password,
        network_policy: given.network_policy,
    };
    print(&render(&options)?)?;
    if generated {
        eprintln!(
            "The Secret holds a new random password, used at the first start; keep the output private."
        );
    }
    Ok(())
}
