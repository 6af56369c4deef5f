//! Regions of POSIX shared memory that callers on this machine register, as Triton's clients do: inputs are read from
//! them and outputs written into them, in place of bytes in the request and the answer.
//!
//! Invariants: a region is a part of one plain file of `/dev/shm`, opened once, when it is registered; its bytes are
//! read and written by calls and never mapped, so that a file somebody cuts is an error and no fault; nothing outside
//! of the part is touched; only who registered a region uses it, and nobody else but administrators hears of it.
//! Departure from Triton, where a region is everybody's.

use crate::{
    auth::{Principal, Role},
    kernel::error::{Error, Kind, Result},
    serving::MOST_BYTES,
};
use rustix::fs::{FileType, Mode, OFlags};
use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, PoisonError, RwLock},
};

/// Where the system keeps POSIX shared memory.
const FOLDER: &str = "/dev/shm";
/// Regions at one time: each holds a file open.
const MOST_REGIONS: usize = 256;
/// Bytes of a region's name, and of a file's.
const LONGEST_NAME: usize = 255;

/// What is registered. Clones share it.
#[derive(Clone)]
pub struct Regions {
    /// Whether the operator lets callers register any.
    allowed: bool,
    held: Arc<RwLock<BTreeMap<String, Arc<Region>>>>,
}

#[derive(Debug)]
struct Region {
    owner: String,
    status: Status,
    file: File,
}

/// What is told of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub name: String,
    pub key: String,
    pub offset: u64,
    pub byte_size: u64,
}

impl Regions {
    pub fn new(allowed: bool) -> Self {
        Self { allowed, held: Arc::default() }
    }

    /// Whether callers may register any.
    pub fn are_allowed(&self) -> bool {
        self.allowed
    }

    /// Takes a region up. Who may load models may: their pipelines run commands as this server's user, who can open
    /// these files anyway.
    pub fn register(&self, who: &Principal, wanted: Status) -> Result<()> {
        who.require(Role::Editor)?;
        if !self.allowed {
            return Err(Error::forbidden(
                "This server takes no shared memory: serving.shared_memory is false. Send the tensors in the request.",
            ));
        }
        let Status { name, key, offset, byte_size } = &wanted;
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "A shared memory region's name has 1 to {LONGEST_NAME} bytes and no control characters, unlike {name:?}."
            )));
        }
        let file = open(name, key)?;
        let end = offset.checked_add(*byte_size).filter(|_| *byte_size > 0);
        let size = size(&file)?;
        if end.is_none_or(|end| end > size) {
            return Err(Error::invalid(format!(
                "failed to register shared memory region '{name}': invalid args: {byte_size} bytes from {offset} on \
                 are not in '{key}', which has {size}"
            )));
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        room(&held, name)?;
        held.insert(name.clone(), Arc::new(Region { owner: who.user.clone(), status: wanted, file }));
        Ok(())
    }

    /// One region by its name, or all.
    pub fn status(&self, who: &Principal, name: &str) -> Result<Vec<Status>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let theirs = held.values().filter(|region| region.is_seen_by(who)).map(|region| &region.status);
        let found: Vec<_> = theirs.filter(|status| name.is_empty() || status.name == name).cloned().collect();
        if found.is_empty() && !name.is_empty() {
            return Err(Error::not_found(format!("Unable to find system shared memory region: '{name}'")));
        }
        Ok(found)
    }

    /// Lets go of one region, or of all; of none that is not there. Requests that use it come to their end.
    pub fn unregister(&self, who: &Principal, name: &str) -> Result<()> {
        who.require(Role::Editor)?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|known, region| !(name.is_empty() || known == name) || !region.is_seen_by(who));
        Ok(())
    }

    /// Whether a user's requests may be larger than they look.
    pub fn lend_to(&self, user: &str) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.values().any(|region| region.owner == user)
    }

    /// What one request of this user may use.
    pub fn lent_to<'a>(&'a self, user: &'a str) -> Lent<'a> {
        Lent { regions: self, user, left: Cell::new(MOST_BYTES) }
    }
}

impl Region {
    fn is_seen_by(&self, who: &Principal) -> bool {
        self.owner == who.user || who.role == Role::Admin
    }
}

fn room(held: &BTreeMap<String, Arc<Region>>, name: &str) -> Result<()> {
    if held.contains_key(name) {
        return Err(Error::exists(format!("shared memory region '{name}' already in manager")));
    }
    if held.len() >= MOST_REGIONS {
        return Err(Error::conflict(format!(
            "There are {MOST_REGIONS} shared memory regions, and no more at one time: unregister some."
        )));
    }
    Ok(())
}

/// Opens the file of a key: a name with or without slashes before it, as `shm_open` takes it.
fn open(name: &str, key: &str) -> Result<File> {
    let plain = key.trim_start_matches('/');
    let is_name = !matches!(plain, "" | "." | "..") && !plain.contains(['/', '\0']);
    if !is_name || plain.len() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "cannot register shared memory region '{name}' - invalid shm key '{key}': it is the name of a file in {FOLDER}"
        )));
    }
    let refused = |why: &str| Error::invalid(format!("Unable to open shared memory region: '{key}': {why}"));
    // A pipe must not be waited for, nor a terminal be taken.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(format!("{FOLDER}/{plain}"), flags, Mode::empty());
    let file = file.map_err(|errno| match errno {
        rustix::io::Errno::NOENT if !std::path::Path::new(FOLDER).is_dir() => {
            refused("the machine or container this server runs in has no /dev/shm")
        }
        rustix::io::Errno::NOENT => refused(
            "there is no such file in /dev/shm where this server runs; in a container, mount the same /dev/shm in both",
        ),
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
            refused("its owner does not let this server's user read and write it")
        }
        rustix::io::Errno::LOOP => refused("it is a link"),
        other => refused(&io::Error::from(other).to_string()),
    })?;
    let kind = rustix::fs::fstat(&file).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if !kind.is_ok_and(FileType::is_file) {
        return Err(refused("it is no plain file"));
    }
    Ok(File::from(file))
}

fn size(file: &File) -> Result<u64> {
    Ok(file.metadata()?.len())
}

/// A place in a region, as a tensor names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub region: String,
    pub offset: u64,
    pub byte_size: u64,
}

/// The regions that one request may use: its caller's own. Inputs may bring as many bytes as the request itself.
pub struct Lent<'a> {
    regions: &'a Regions,
    user: &'a str,
    left: Cell<usize>,
}

impl Lent<'_> {
    /// An input's bytes.
    pub fn read(&self, place: &Place) -> Result<Vec<u8>> {
        let span = self.span(place)?;
        let left = self.left.get().checked_sub(span.size).ok_or_else(|| {
            let words = format!("The inputs in shared memory are larger than {} MiB.", MOST_BYTES >> 20);
            Error::new(Kind::TooLarge, words)
        })?;
        self.left.set(left);
        span.read()
    }

    /// The part of a region, if it is there.
    pub fn span(&self, place: &Place) -> Result<Span> {
        let Place { region: name, offset, byte_size } = place;
        let held = self.regions.held.read().unwrap_or_else(PoisonError::into_inner);
        let found = held.get(name).filter(|region| region.owner == self.user).cloned();
        drop(held);
        let region = found
            .ok_or_else(|| Error::not_found(format!("Unable to find shared memory region: '{name}'")))?;
        let all = region.status.byte_size;
        if *offset >= all {
            return Err(Error::invalid(format!("Invalid offset for shared memory region: '{name}'")));
        }
        let end = offset.checked_add(*byte_size).filter(|end| *end <= all);
        let (Some(_), Ok(size)) = (end, usize::try_from(*byte_size)) else {
            return Err(Error::invalid(format!(
                "Invalid offset + byte size for shared memory region: '{name}'"
            )));
        };
        // Both ends were within the file when the region was registered, so their sum is a number.
        Ok(Span { start: region.status.offset + offset, size, region })
    }
}

/// A part of a region that is there. It stays so, also if the region is unregistered meanwhile.
#[derive(Clone, Debug)]
pub struct Span {
    region: Arc<Region>,
    start: u64,
    size: usize,
}

impl Span {
    fn read(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut bytes = vec![0; self.size];
        self.region.file.read_exact_at(&mut bytes, self.start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.cut(),
            _ => error.into(),
        })?;
        Ok(bytes)
    }

    /// Writes an output's bytes at its beginning.
    pub fn write(&self, output: &str, bytes: &[u8]) -> Result<()> {
        if bytes.len() > self.size {
            return Err(Error::invalid(format!(
                "shared memory size specified with the request for output '{output}' ({} bytes) should be at least {} \
                 bytes to hold the results",
                self.size,
                bytes.len()
            )));
        }
        self.check()?;
        Ok(self.region.file.write_all_at(bytes, self.start)?)
    }

    /// The file may have been cut since the region was registered; to write there would make it longer again.
    fn check(&self) -> Result<()> {
        let end = self.start + self.size as u64;
        if size(&self.region.file)? < end { Err(self.cut()) } else { Ok(()) }
    }

    fn cut(&self) -> Error {
        let Status { name, key, .. } = &self.region.status;
        Error::invalid(format!(
            "Shared memory region '{name}' is no longer whole: '{key}' has been made shorter since it was registered."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A file of shared memory that goes with the test.
    struct Shm(String);

    impl Shm {
        fn new(what: &str, content: &[u8]) -> Self {
            let key = format!("/crannog-test-{}-{what}", std::process::id());
            fs_err::write(format!("{FOLDER}{key}"), content).expect("shared memory");
            Self(key)
        }

        fn path(&self) -> String {
            format!("{FOLDER}{}", self.0)
        }
    }

    impl Drop for Shm {
        fn drop(&mut self) {
            let _ = fs_err::remove_file(self.path());
        }
    }

    fn user(name: &str, role: Role) -> Principal {
        Principal { user: name.into(), role }
    }

    fn wanted(name: &str, key: &str, offset: u64, byte_size: u64) -> Status {
        Status { name: name.into(), key: key.into(), offset, byte_size }
    }

    fn place(offset: u64, byte_size: u64) -> Place {
        Place { region: "r".into(), offset, byte_size }
    }

    #[test]
    fn bytes_are_read_from_and_written_into_their_part_alone() {
        let (shm, regions, ann) =
            (Shm::new("parts", b"0123456789"), Regions::new(true), user("ann", Role::Editor));
        regions.register(&ann, wanted("r", &shm.0, 2, 6)).expect("a region");
        let lent = regions.lent_to("ann");
        assert_eq!(lent.read(&place(1, 3)).expect("bytes"), b"345");
        lent.span(&place(4, 2)).expect("the end").write("y", b"ab").expect("room");
        assert_eq!(fs_err::read(shm.path()).expect("the file"), b"012345ab89");
        let small = lent.span(&place(4, 2)).expect("the end").write("y", b"abc").expect_err("too many bytes");
        assert!(small.message.contains("(2 bytes) should be at least 3 bytes"), "{small}");
        for (offset, size, word) in
            [(6, 0, "Invalid offset for"), (5, 2, "offset + byte"), (1, u64::MAX, "offset + byte")]
        {
            let refused = lent.read(&place(offset, size)).expect_err("beyond the region");
            assert!(refused.message.contains(word), "{refused}");
        }
    }

    #[test]
    fn a_file_that_was_cut_is_an_error_and_grows_no_more() {
        let (shm, regions, ann) = (Shm::new("cut", &[7; 64]), Regions::new(true), user("ann", Role::Editor));
        regions.register(&ann, wanted("r", &shm.0, 0, 64)).expect("a region");
        fs_err::write(shm.path(), b"1234").expect("a shorter file");
        let lent = regions.lent_to("ann");
        assert!(lent.read(&place(0, 64)).expect_err("cut").message.contains("made shorter"));
        assert!(lent.span(&place(0, 64)).expect("known").write("y", &[1; 8]).is_err());
        assert_eq!(fs_err::read(shm.path()).expect("the file"), b"1234");
        assert_eq!(lent.read(&place(0, 4)).expect("what is left"), b"1234");
    }

    #[test]
    fn only_plain_files_of_the_folder_are_taken() {
        let (shm, regions, ann) = (Shm::new("plain", &[0; 8]), Regions::new(true), user("ann", Role::Editor));
        let link = Shm(format!("{}-link", shm.0));
        symlink(shm.path(), link.path()).expect("a link");
        let missing = format!("{}-missing", shm.0);
        let long = "x".repeat(300);
        for key in ["", "/", "..", "/..", "/../etc/passwd", "/a/b", "a\0b", &long, &link.0, &missing] {
            let refused = regions.register(&ann, wanted("r", key, 0, 1)).expect_err(key);
            assert_eq!(refused.kind, Kind::Invalid, "{key}: {refused}");
        }
        for (offset, size) in [(0, 0), (0, 9), (8, 1), (1, 8), (u64::MAX, 2), (2, u64::MAX)] {
            let refused =
                regions.register(&ann, wanted("r", &shm.0, offset, size)).expect_err("beyond the file");
            assert!(refused.message.contains("invalid args"), "{refused}");
        }
        for name in ["", "a\nb", &long] {
            assert!(regions.register(&ann, wanted(name, &shm.0, 0, 8)).is_err(), "{name}");
        }
        // shm_open takes any number of slashes, and Python's clients bring two.
        regions.register(&ann, wanted("r", &format!("/{}", shm.0), 0, 8)).expect("two slashes");
    }

    #[test]
    fn a_region_is_its_registrars() {
        let (shm, regions) = (Shm::new("whose", &[0; 8]), Regions::new(true));
        let (ann, bob, admin) =
            (user("ann", Role::Editor), user("bob", Role::Editor), user("root", Role::Admin));
        regions.register(&ann, wanted("r", &shm.0, 0, 8)).expect("a region");
        assert_eq!(regions.register(&bob, wanted("r", &shm.0, 0, 8)).expect_err("taken").kind, Kind::Exists);
        assert_eq!(regions.lent_to("bob").read(&place(0, 8)).expect_err("not his").kind, Kind::NotFound);
        assert!(regions.status(&bob, "").expect("none").is_empty());
        assert_eq!(regions.status(&bob, "r").expect_err("not his").kind, Kind::NotFound);
        assert_eq!(regions.status(&admin, "").expect("all"), [wanted("r", &shm.0, 0, 8)]);
        regions.unregister(&bob, "").expect("none of his");
        assert_eq!(regions.status(&ann, "r").expect("still there").len(), 1);
        regions.unregister(&admin, "r").expect("an administrator's");
        assert!(regions.status(&ann, "").expect("none").is_empty());
        let viewer = user("vera", Role::Viewer);
        assert_eq!(
            regions.register(&viewer, wanted("r", &shm.0, 0, 8)).expect_err("a viewer").kind,
            Kind::Forbidden
        );
        assert_eq!(regions.unregister(&viewer, "").expect_err("a viewer").kind, Kind::Forbidden);
        let none = Regions::new(false).register(&ann, wanted("r", &shm.0, 0, 8)).expect_err("switched off");
        assert!(none.message.contains("serving.shared_memory"), "{none}");
    }

    #[test]
    fn regions_and_the_bytes_of_one_request_are_bounded() {
        let (shm, regions, ann) = (Shm::new("bounds", b""), Regions::new(true), user("ann", Role::Editor));
        let sparse = fs_err::OpenOptions::new().write(true).open(shm.path()).expect("the file");
        sparse.set_len(40 << 20).expect("room");
        for at in 0..MOST_REGIONS {
            regions.register(&ann, wanted(&format!("r{at}"), &shm.0, 0, 40 << 20)).expect("a region");
        }
        let refused = regions.register(&ann, wanted("more", &shm.0, 0, 8)).expect_err("too many");
        assert_eq!(refused.kind, Kind::Conflict);
        let lent = regions.lent_to("ann");
        let large = Place { region: "r0".into(), offset: 0, byte_size: 40 << 20 };
        lent.read(&large).expect("40 MiB");
        assert_eq!(lent.read(&large).expect_err("80 MiB").kind, Kind::TooLarge);
    }
}
