//! Files that only the server's own user may read.

use super::error::Result;
use fs_err::os::unix::fs::OpenOptionsExt;
use std::{io::Write, path::Path};

/// Writes a new file that only its owner may read, durably.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Makes a folder that only its owner may enter, or makes it so.
pub fn folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::create_dir_all(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}
