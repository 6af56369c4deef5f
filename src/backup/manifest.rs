//! What a snapshot says of itself.

use crate::{kernel::error::Result, store::blob::Crc};
use serde::{Deserialize, Serialize};
use std::{io::Read, path::Path};

const DAMAGED_TOLD: usize = 100;

/// What a snapshot holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Manifest {
    pub name: String,
    /// When its moment was, RFC 3339.
    pub taken_at: String,
    pub took_ms: u64,
    /// The version that wrote it.
    pub crannog: String,
    pub databases: Vec<Part>,
    /// Keys and credentials of the data directory; none where they were left out.
    pub secrets: Vec<Part>,
    /// Files of the object store that belong to it, and bytes in them.
    pub files: u64,
    pub bytes: u64,
    /// Those of them that were not in the folder before.
    pub new_files: u64,
    pub new_bytes: u64,
    /// Files that were damaged or missing in the data directory, and of which the folder had no copy.
    pub damaged: Vec<String>,
    /// Such files beyond those told.
    pub more_damaged: u64,
}

/// A file of the snapshot's own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Part {
    /// Its path in the snapshot, and in the data directory.
    pub name: String,
    pub bytes: u64,
    /// CRC-64/NVME of its bytes, in hexadecimal digits.
    pub crc64nvme: String,
}

impl Manifest {
    /// The name of a snapshot of this moment: one that every file system takes.
    pub fn name_of(taken_at: &str) -> String {
        taken_at.replace(':', "-")
    }

    /// Whether `name` can be such a name.
    pub fn is_name(name: &str) -> bool {
        let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00T00-00-00.000Z"
    }

    pub fn tell_damage(&mut self, what: String) {
        if self.damaged.len() < DAMAGED_TOLD {
            self.damaged.push(what);
        } else {
            self.more_damaged += 1;
        }
    }

    /// Without what tells of keys more than that they are there.
    pub fn discreet(mut self) -> Self {
        for secret in &mut self.secrets {
            (secret.bytes, secret.crc64nvme) = (0, String::new());
        }
        self
    }

    /// How many files could not be copied.
    pub fn count_damaged(&self) -> u64 {
        self.damaged.len() as u64 + self.more_damaged
    }
}

impl Part {
    pub fn of(folder: &Path, name: &str) -> Result<Self> {
        let (mut file, mut crc, mut bytes) = (fs_err::File::open(folder.join(name))?, Crc::default(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(Self { name: name.into(), bytes, crc64nvme: format!("{:016x}", crc.value()) });
            }
            crc.see(&buffer[..read]);
            bytes += read as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::{now_ms, rfc3339};

    #[test]
    fn a_name_is_told_from_others() {
        assert!(Manifest::is_name(&Manifest::name_of(&rfc3339(now_ms()))));
        for other in ["DocumentRevisions-V100", "2026-11-23T06-17-29.414Z2", "2026-11-23T06:17:29.414Z", ""] {
            assert!(!Manifest::is_name(other), "{other}");
        }
    }
}
